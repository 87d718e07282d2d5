"""One instance under attack, and what must be true after every attack on it.

Nothing was installed and no container restarted; users noticed nothing; it was written down, and
told, once; the words name the rule, what was found and what was expected.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import koprogo_agent
from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import AgentError, Failure
from koprogo_agent.update.authority import refused_documents
from koprogo_agent.update.engine import Engine
from tests.attacks.letters import Letterbox
from tests.instance import Instance
from tests.lab.forgeries import Forged, Forger, Forgery
from tests.lab.front import Fault, Front
from tests.lab.lab import Lab
from tests.scenes import Watched, installed, lives, watch

LEAN: Mapping[str, Mapping[str, Any]] = {
    "rehearsal": {"when": "never"},
    "backup": {"before_update": False},
}
"""What others prove is left out."""

CODE = Path(koprogo_agent.__file__).parents[1]
"""Where the code under test lies: what is typed must run the same."""


@dataclass(frozen=True)
class Field:
    """An instance that has installed the first release, whoever attacks it, and whom it tells."""

    instance: Instance
    forger: Forger
    letters: Letterbox

    @property
    def lab(self) -> Lab:
        """The lab of the instance."""
        return self.instance.lab

    @property
    def installed(self) -> str | None:
        """The release that runs here."""
        return installed(self.instance)

    def changed(self, **sections: Mapping[str, Any]) -> Instance:
        """The instance with other values in its configuration, which tells nobody anything."""
        return self.instance.changed(**{**LEAN, **sections})

    def under(self, **sections: Mapping[str, Any]) -> Field:
        """The same field with other values in the configuration."""
        notify = {"urls": [self.letters.url]}
        return replace(self, instance=self.changed(**sections, notify=notify))

    @property
    def state(self) -> Path:
        """The agent's own folder."""
        return self.instance.settings.state.directory

    def types(
        self, *words: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """What somebody types at a terminal, with more in the environment."""
        own = {**self.instance.environment, "PYTHONPATH": str(CODE)}
        return subprocess.run(
            [Path(sys.executable).parent / "koprogo-agent", *words],
            env={**own, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    # --- a tag

    def try_out(self, forgery: Forgery, code: str, *words: str) -> None:
        """Publishes a forgery, which must be refused, and takes it away again."""
        with self.published(self.forger.forge(forgery)) as forged:
            self.refuses(forged.tag, code, *words)

    @contextmanager
    def published(self, forged: Forged) -> Iterator[Forged]:
        """For a while only."""
        try:
            yield forged
        finally:
            self.forger.withdraw(forged)

    def refuses(self, tag: str, code: str, *words: str) -> None:
        """A rule refuses a tag: once, and the next tick, of another process, is silent."""
        was = self.watches_idly()
        with self.instance.engine() as engine:
            refusals = [one for one in engine.memory.refusals() if one.tag == tag]
            assert [one.code for one in refusals] == [code]
            # What was never fetched leaves nothing to be kept but the id of what it names.
            without = code == "tag.lightweight" or code.startswith("source.")
            assert _has_evidence(engine, tag) is not without
            assert engine.tick() is None
            assert [one for one in engine.memory.refusals() if one.tag == tag] == refusals
        self._says(refusals[0].message, *words)
        self._told(f"KoproGo: release {tag} was refused", refusals[0].message)
        assert self.installed == was

    # --- a release whose tag is good

    def stops(self, tag: str, outcome: Outcome, code: str, *words: str) -> Watched:
        """An update fails before anything was stopped, and is not begun again at the next tick."""
        was = self.installed
        self.letters.empty()
        watched = watch(self.instance)
        assert watched.outcome is outcome
        assert [one.code for one in watched.seen.failures] == [code]
        assert not {"hold", "switch"} & set(watched.seen.actions)
        assert watched.restarted == set()
        assert watched.tally.failed == 0
        failure = watched.seen.failures[0]
        with self.instance.engine() as engine:
            past = engine.journal.past(1)[0]
            assert (past.operation.tag, past.outcome) == (tag, outcome)
            assert past.operation.state.cause == failure
            blamed = tag in {one.tag for one in engine.memory.quarantined().values()}
            assert blamed == failure.blames_release
            assert engine.tick() is None
            assert engine.journal.past(1)[0] == past
        self._says(failure.message, *words)
        self._told(f"KoproGo: {tag} is not installed", failure.message)
        assert self.installed == was
        return watched

    # --- a document of the trust branch

    def disbelieves(self, what: str, code: str, *words: str) -> None:
        """A trust root or freshness document is refused: once, and what was believed counts on."""
        with self.instance.engine() as engine:
            before = _believed(engine)
            seen = len(_doubted(engine))
        was = self.watches_idly()
        with self.instance.engine() as engine:
            (event,) = _doubted(engine)[seen:]
            assert (event["what"], event["code"]) == (what, code)
            assert engine.tick() is None
            assert len(_doubted(engine)) == seen + 1
            assert _believed(engine) == before
        self._says(event["why"], *words)
        self._told("KoproGo: what the source says of trust is refused", event["why"])
        assert self.installed == was

    def settles(self) -> None:
        """What was wrong with the trust branch is gone: one silent tick, and nothing is refused."""
        with self.instance.engine() as engine:
            assert engine.tick() is None
            assert refused_documents(engine.journal) == {}

    # --- a source that does not answer as it should

    def cannot_poll(self, code: str, *words: str) -> Failure:
        """A poll fails, and the standing says since when and why; what runs is left alone."""
        was, before = self.installed, lives(self.lab.stack)
        with self.instance.engine() as engine:
            with pytest.raises(AgentError) as caught:
                engine.tick()
            polls = engine.standing.polls
        assert caught.value.code == code, caught.value
        assert polls.failure == Failure.of(caught.value)
        assert polls.failing_since is not None
        self._says(caught.value.message, *words)
        assert (self.installed, lives(self.lab.stack)) == (was, before)
        return Failure.of(caught.value)

    @contextmanager
    def failing(self, front: Front, fault: Fault) -> Iterator[None]:
        """Lets a server do harm for a while; whoever is held up in an answer is let go."""
        front.fail(fault)
        try:
            yield
        finally:
            front.stop()
            front.heal()
            front.start()

    # --- what holds after all of them

    def watches_idly(self) -> str | None:
        """One tick in which nothing happens but words; gives the release that runs."""
        was = self.installed
        self.letters.empty()
        watched = watch(self.instance)
        assert watched.ran is None
        assert watched.seen.actions == []
        assert watched.restarted == set()
        assert watched.tally.failed == 0
        assert self.installed == was
        return was

    def _says(self, message: str, *words: str) -> None:
        assert message.isprintable()
        for each in words:
            assert re.search(each, message), (each, message)

    def _told(self, title: str, message: str) -> None:
        """One letter has come, and it says all that was written down."""
        (letter,) = self.letters.empty()
        assert letter.title == title
        assert message in letter.body


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """It takes no longer: the limit held, and not the next one behind it."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def hostile_path(folder: Path, *programs: str) -> str:
    """A PATH on which programs of these names leave a mark in the folder when they are run."""
    for name in programs:
        script = folder / name
        script.write_text(f"#!/bin/sh\ntouch {folder}/ran-{name}\nexit 66\n")
        script.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def _doubted(engine: Engine) -> list[dict[str, str]]:
    """Every refusal of a document that was written down, oldest first."""
    events = [one for one in engine.journal.events(1000) if one.name == "trust.refused"]
    return [dict(one.detail) for one in reversed(events)]


def _has_evidence(engine: Engine, tag: str) -> bool:
    query = "SELECT evidence FROM refusal WHERE tag = ?"
    (row,) = engine.journal.store.connection.execute(query, (tag,)).fetchall()
    return bool(row["evidence"])


def _believed(engine: Engine) -> tuple[str, str]:
    freshness = engine.authority.freshness
    return (
        engine.authority.root.envelope.sha256,
        freshness.envelope.sha256 if freshness else "",
    )
