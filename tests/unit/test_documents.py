"""The documents that were believed: kept, found again, and forgotten where that is meant."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from koprogo_agent.domain.freshness import read_freshness
from koprogo_agent.domain.root import read_root
from koprogo_agent.update.documents import Documents
from koprogo_agent.update.journal import Journal
from tests.simulation.clock import EPOCH
from tests.simulation.trust import ROLES, freshness, root

FIRST, SECOND = read_root(root()), read_root(root(2))
OTHERS = read_root(root(3, {**ROLES, "freshness": (("another-job",), 1)}))


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[Documents]:
    """The documents of an agent that has seen none."""
    journal = Journal(tmp_path / "state.db", EPOCH)
    yield Documents(journal.store)
    journal.close()


def test_every_trust_root_is_kept_and_the_newest_counts(documents: Documents) -> None:
    """In whatever order they were kept."""
    assert documents.root is None
    assert documents.root_of(1) is None
    documents.keep_root(SECOND, EPOCH)
    documents.keep_root(FIRST, EPOCH)
    assert documents.root == SECOND
    assert (documents.root_of(1), documents.root_of(2)) == (FIRST, SECOND)


def test_what_is_revoked_here_is_not_kept_with_a_root(documents: Documents) -> None:
    """The operator's brake lies in a file of the operator's."""
    documents.keep_root(replace(FIRST, revoked=frozenset({"x"})), EPOCH)
    assert documents.root == FIRST


def test_another_root_of_the_operator_begins_the_chain_anew(documents: Documents) -> None:
    """What followed from the one before is void."""
    for one in (FIRST, SECOND, OTHERS):
        documents.keep_root(one, EPOCH)
    documents.start_from(SECOND, EPOCH)
    assert (documents.root, documents.root_of(1), documents.root_of(3)) == (SECOND, None, None)


def test_freshness_is_remembered_in_the_era_of_its_keys(documents: Documents) -> None:
    """Under the next root it still counts; under other keys of freshness nothing is remembered."""
    assert documents.freshness(FIRST) is None
    seen = read_freshness(freshness(9))
    documents.keep_freshness(seen, FIRST, EPOCH)
    assert documents.freshness(FIRST) == documents.freshness(SECOND) == seen
    assert documents.freshness(OTHERS) is None


def test_a_document_takes_the_place_of_the_one_before(documents: Documents) -> None:
    """In an era of its own too: of others' keys nothing is left."""
    documents.keep_freshness(read_freshness(freshness(9)), FIRST, EPOCH)
    renewed = read_freshness(freshness(1, ("another-job",)))
    documents.keep_freshness(renewed, OTHERS, EPOCH)
    assert documents.freshness(OTHERS) == renewed
    assert documents.freshness(FIRST) is None


def test_evidence_is_kept_and_believed_by_nobody(documents: Documents, tmp_path: Path) -> None:
    """What was refused last lies there for whoever asks, and counts for nothing."""
    documents.keep_evidence("freshness", freshness(9), EPOCH)
    for version in (8, 9):
        documents.keep_evidence("root", root(version), EPOCH)
    assert documents.root is None
    assert documents.freshness(FIRST) is None
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        kept = connection.execute("SELECT raw FROM document ORDER BY kind").fetchall()
    assert kept == [(freshness(9),), (root(9),)]
