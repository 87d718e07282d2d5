"""The port `Database`, while nobody else writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from koprogo_agent.domain.database import OCCUPIED, against_a_point
from koprogo_agent.errors import NeedsOperator, RetryLater, StepFailed
from koprogo_agent.ports import UNRESTORABLE, Database, Dump, Unrestorable
from tests.contract.ground import Ground

POINT, ASIDE = "koprogo_agent_point_contract", "koprogo_agent_aside_contract"


@pytest.fixture(scope="module")
def fenced(ground: Ground) -> Iterator[Ground]:
    """The ground; users come in again when all is over."""
    stack = ground.engine.world.stack
    stack.stop(ground.project.name, [ground.ingress, "backend"])
    yield ground
    stack.start(ground.project.name, ["backend", ground.ingress])


@pytest.fixture
def database(fenced: Ground) -> Iterator[Database]:
    """The port; afterwards the scratch databases are gone."""
    port = fenced.engine.world.database
    yield port
    for name in (POINT, ASIDE):
        port.drop(fenced.at, name)


def unseen(_size: int) -> None:
    """Nobody watches a dump grow."""


def dump(ground: Ground, label: str) -> Dump:
    """A dump."""
    target = ground.engine.world.files.backup_path(label)
    return ground.engine.world.database.dump(ground.at, target, unseen)


def test_dump(ground: Ground, database: Database) -> None:
    """A dump can be read whole, is listed as a backup, and one that is damaged is noticed."""
    made = dump(ground, "manual-one")
    assert made.size > 0
    assert made in ground.engine.world.files.backups()
    read: list[int] = []
    database.verify(ground.at, made.path, read.append)
    assert read[-1] == made.size
    ground.corrupt(made.path)
    with pytest.raises(StepFailed) as raised:
        database.verify(ground.at, made.path, unseen)
    assert raised.value.code == "backup.corrupt"


def test_point(ground: Ground, database: Database) -> None:
    """What was written after the point is put aside with the rest; doing it twice is once."""
    ground.write()
    before = ground.rows()
    assert not database.has_database(ground.at, POINT)
    database.make_point(ground.at, POINT)
    assert database.has_database(ground.at, POINT)
    ground.write()
    assert ground.rows() == before + 1
    for _ in range(2):
        database.swap_back(ground.at, POINT, ASIDE)
        assert ground.rows() == before
        assert not database.has_database(ground.at, POINT)
        assert database.has_database(ground.at, ASIDE)


def test_swap_without_a_point(ground: Ground, database: Database) -> None:
    """Nothing is renamed."""
    before = ground.rows()
    with pytest.raises(NeedsOperator):
        database.swap_back(ground.at, POINT, ASIDE)
    assert ground.rows() == before


def test_replace(ground: Ground, database: Database) -> None:
    """A dump takes the place of the present data, which is kept and can come back."""
    ground.write()
    before = ground.rows()
    made = dump(ground, "manual-two")
    ground.write()
    database.replace(ground.at, made.path, POINT, unseen)
    assert ground.rows() == before
    assert database.has_database(ground.at, POINT)
    database.swap_back(ground.at, POINT, ASIDE)
    assert ground.rows() == before + 1


def test_damaged_dump_replaces_nothing(ground: Ground, database: Database) -> None:
    """The present data stays where it is."""
    made, before = dump(ground, "manual-three"), ground.rows()
    ground.corrupt(made.path)
    with pytest.raises(StepFailed):
        database.replace(ground.at, made.path, POINT, unseen)
    assert ground.rows() == before
    assert not database.has_database(ground.at, POINT)


def test_a_whole_dump_that_cannot_be_restored(ground: Ground, database: Database) -> None:
    """It reads whole; a restore says what PostgreSQL refuses, and the present data stays."""
    ground.spoil()
    try:
        made, before = dump(ground, "manual-spoilt"), ground.rows()
        database.verify(ground.at, made.path, unseen)
        with pytest.raises(Unrestorable, match="cannot be restored") as raised:
            database.replace(ground.at, made.path, POINT, unseen)
    finally:
        ground.mend()
    assert raised.value.code == UNRESTORABLE
    assert 'relation "buildings" does not exist' in raised.value.why
    assert ground.rows() == before
    assert not database.has_database(ground.at, POINT)
    files = ground.engine.world.files
    files.note_unrestorable(made.path, raised.value.why)
    assert [one.unrestorable for one in files.backups() if one.path == made.path] == [
        raised.value.why
    ]
    files.note_unrestorable(made.path, "")
    assert made in files.backups()


def test_restore_only_into_an_empty_database(ground: Ground, database: Database) -> None:
    """What is there is never overwritten."""
    ground.write()
    made, before = dump(ground, "manual-four"), ground.rows()
    with pytest.raises(NeedsOperator):
        database.restore(ground.at, made.path, unseen)
    assert ground.rows() == before


def test_drop(ground: Ground, database: Database) -> None:
    """Absent already is success."""
    database.make_point(ground.at, POINT)
    for _ in range(2):
        database.drop(ground.at, POINT)
        assert not database.has_database(ground.at, POINT)


def test_a_subscription_keeps_what_it_lives_in(ground: Ground, database: Database) -> None:
    """It stays with the data that is put aside, which then cannot be dropped; a copy has none."""
    ground.subscribe(ground.application)
    (found,) = database.state(ground.at).subscriptions
    assert (found.name, found.enabled) == ("theirs", False)
    database.make_point(ground.at, POINT)
    database.swap_back(ground.at, POINT, ASIDE)
    try:
        assert database.state(ground.at).subscriptions == ()
        with pytest.raises(NeedsOperator, match="the subscription theirs lives in it") as raised:
            database.drop(ground.at, ASIDE)
        assert raised.value.code == OCCUPIED
        assert database.has_database(ground.at, ASIDE)
    finally:
        ground.unsubscribe(ASIDE)
    database.drop(ground.at, ASIDE)
    assert not database.has_database(ground.at, ASIDE)


def test_a_collation_of_another_version(ground: Ground, database: Database) -> None:
    """It is told beforehand, and no copy is made; putting a backup in its place goes well."""
    assert list(against_a_point(database.state(ground.at))) == []
    ground.age_collation()
    try:
        (objection,) = against_a_point(database.state(ground.at))
        assert objection.code == "database.collation"
        with pytest.raises(NeedsOperator):
            database.make_point(ground.at, POINT)
        assert not database.has_database(ground.at, POINT)
        before = ground.rows()
        database.replace(ground.at, dump(ground, "manual-six").path, POINT, unseen)
        assert ground.rows() == before
        assert list(against_a_point(database.state(ground.at))) == []
        database.swap_back(ground.at, POINT, ASIDE)
    finally:
        ground.refresh_collation()


def test_the_server_in_an_image(ground: Ground, database: Database) -> None:
    """Which PostgreSQL it is, and what it can install: all that the running one has."""
    installed = ground.engine.journal.installed
    assert installed is not None
    state = database.state(ground.at)
    image = database.server_in(installed.pins["postgres"].reference)
    assert image is not None
    assert image.major == state.major
    assert image.extensions is not None
    assert image.extensions.issuperset(state.extensions)
    assert database.server_in(installed.pins["frontend"].reference) is None


def test_write_mark(ground: Ground, database: Database) -> None:
    """It tells writes from none."""
    mark = database.write_mark(ground.at)
    assert not database.wrote_since(ground.at, mark)
    ground.write()
    assert database.wrote_since(ground.at, mark)


def test_size(ground: Ground, database: Database) -> None:
    """In bytes."""
    assert database.size(ground.at) > 1_000_000


def test_away(ground: Ground, database: Database) -> None:
    """A database that is down is away for a while, whatever is asked of it."""
    stack, name = ground.engine.world.stack, ground.project.name
    path = Path(dump(ground, "manual-five").path)
    stack.stop(name, ["postgres"])
    try:
        for ask in (
            lambda: database.size(ground.at),
            lambda: database.make_point(ground.at, POINT),
            lambda: database.write_mark(ground.at),
            lambda: database.verify(ground.at, path, unseen),
        ):
            with pytest.raises(RetryLater):
                ask()
    finally:
        stack.start(name, ["postgres"])
        ground.wait_for(lambda: _answers(ground, database))


def _answers(ground: Ground, database: Database) -> bool:
    try:
        return database.size(ground.at) > 0
    except RetryLater:
        return False


def test_settings(ground: Ground, database: Database) -> None:
    """Nobody has made a tablespace; giving a server its own settings changes nothing."""
    assert database.tablespaces(ground.at) == ()
    before = ground.rows()
    for _ in range(2):
        database.copy_settings(ground.at, ground.at)
    assert ground.rows() == before
