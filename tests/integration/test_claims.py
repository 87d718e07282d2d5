"""What the agent says of users, against what users saw.

It runs with the very file that `config init` writes, on KoproGo's own shape: health checks every
30 s, 15 connections, Traefik with 128 MB. Each operation is typed as an operator types it, under
load. The client's count is compared with `update`, `history`, the report and the dashboard's page
of the instance. Only places of this machine, the room's image in the lab's registry and the soak
(none) are set in the environment; all else is the default.

A few operations by default; `KOPROGO_CLAIMS=all` plays bad releases of each kind, and kills the
agent at random instants; `make claims` does that. What is printed is the table.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from koprogo_agent.cli.exits import Exit
from tests.bench.site import Users, client
from tests.fleet.servers import Fleet
from tests.fleet.visitors import PASSWORD, Visitor, employ
from tests.instance import Instance, words_of_init
from tests.lab.client import Tally
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.typist import type_in

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]

ALL = os.environ.get("KOPROGO_CLAIMS") == "all"
SEED = int(os.environ.get("KOPROGO_SEED", "20261130"))
AGREE = 1.0
"""Seconds within which all must agree."""
USERS = Users(50, 0.3, 6)
WRITERS = Users(50, 1.0, 6)
SECONDS = 600
LATEST_KILL = 60.0
"""Seconds after the start of `update`; most of its hold comes before that."""
MOST_TRIES = 4
TOLD = re.compile(r"users: (?:waited|without it for) (\d+(?:\.\d+)?) s")


@dataclass(frozen=True)
class Act:
    """One operation.

    Attributes:
        title: what it is.
        code: with which the command ends.
        kind: of the release that is published before; None: none is.
        words: what is typed.
        kills: how often the agent is killed first, while it installs that release.
        users: a restore takes back rows that they have written, so then they read none.
    """

    title: str
    code: Exit = Exit.DONE
    kind: Kind | None = None
    words: tuple[str, ...] = ("update",)
    kills: int = 0
    users: Users = USERS


SCHEMA = Act("schema change", kind=Kind.GOOD_WITH_MIGRATION)
PLAIN = Act("no schema change", kind=Kind.GOOD)
IN_PRODUCTION = Act(
    "broken only in production, after its migration",
    Exit.ROLLED_BACK,
    Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION,
)
ROLLBACK = Act("rollback", words=("rollback",))
RESTORE = Act("restore", words=("backup", "restore", "BACKUP", "--yes"), users=WRITERS)
BAD = (
    Act("broken at start", Exit.FAILED, Kind.BROKEN_AT_START),
    Act("broken after its migration", Exit.FAILED, Kind.BROKEN_AFTER_MIGRATION),
    Act("migration failing half-way", Exit.FAILED, Kind.MIGRATION_FAILING),
    Act("migration failing on rows", Exit.FAILED, Kind.MIGRATION_FAILING_ON_DATA),
    Act("needs a variable that is not set", Exit.OPERATOR, Kind.NEEDS_VARIABLE),
    Act("compose file invalid", Exit.FAILED, Kind.INVALID_COMPOSE),
    Act("image not there", Exit.LATER, Kind.IMAGE_MISSING),
    Act("broken only in production", Exit.ROLLED_BACK, Kind.BROKEN_IN_PRODUCTION),
)
KILLED = tuple(
    Act(f"{act.title}, agent killed", act.code, act.kind, kills=number)
    for act in (SCHEMA, PLAIN, IN_PRODUCTION)
    for number in (1, 2)
)
MORE = (*BAD, *KILLED, PLAIN) if ALL else ()
ACTS = (SCHEMA, PLAIN, IN_PRODUCTION, *MORE, ROLLBACK, RESTORE)


@dataclass(frozen=True)
class Seen:
    """What users met in one act, and what was said of it, in seconds; None: nothing was said."""

    act: Act
    tally: Tally
    lost: int
    said: dict[str, float | None]

    @property
    def counted(self) -> float:
        """The longest that a request took."""
        return self.tally.longest_wait

    def faults(self) -> Iterator[str]:
        """What is not as it should be."""
        if self.tally.failed:
            yield f"{self.act.title}: {self.tally.failed} of {self.tally.requests} failed"
        if self.tally.repeated:
            yield f"{self.act.title}: {len(self.tally.repeated)} writes were executed twice"
        if self.lost:
            yield f"{self.act.title}: {self.lost} rows are lost"
        for who, told in self.said.items():
            if abs((told or 0.0) - self.counted) > AGREE:
                yield f"{self.act.title}: {who} says {told}, {self.counted:.2f} s were counted"

    def line(self) -> str:
        """The act's line of the table."""
        said = ", ".join(
            f"{who} {'nothing' if told is None else f'{told:.1f} s'}"
            for who, told in self.said.items()
        )
        return (
            f"{self.act.title:<48} {self.tally.failed} of {self.tally.requests:,} failed,"
            f" {self.lost} rows lost, longest wait {self.counted:.2f} s; {said}"
        )


@dataclass
class House:
    """A self-hosted KoproGo with its operator and agent, and the association that hears of it.

    Attributes:
        config: the file that `config init` wrote.
        backup: the newest backup that an update made.
        dice: when the agent is killed.
    """

    lab: Lab
    fleet: Fleet
    visitor: Visitor
    config: Path
    environment: dict[str, str]
    backup: str = ""
    dice: random.Random = field(default_factory=lambda: random.Random(SEED))

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What the operator types: `koprogo-agent WORDS`."""
        return type_in(("koprogo-agent", *words), self.environment, self.lab.root, SECONDS)

    def document(self, *words: str, code: Exit = Exit.DONE) -> Any:  # noqa: ANN401 - JSON
        """The same, as JSON; it must end with this code."""
        done = self.type(*words, "--json")
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def play(self, act: Act) -> Seen:
        """Plays the act under load, and collects what is said of it."""
        stack = self.lab.stack
        with client(stack, act.users) as users:
            if act.kind:
                self._publish(act.kind, act.kills)
            words = [self.backup if word == "BACKUP" else word for word in act.words]
            told = self._finished(act) if act.kills else self.document(*words, code=act.code)
        self.backup = told.get("backup") or self.backup
        (past,) = self.document("history", "--limit", "1")
        lost = len(users.lost(stack)) if act.users is USERS else 0
        said = {
            "update": told.get("waited_seconds", 0.0) + told.get("away_seconds", 0.0),
            "history": _longest(past.get("waited_seconds"), past.get("away_seconds")),
            **self._heard(),
        }
        return Seen(act, users.tally(), lost, said)

    def _publish(self, kind: Kind, kills: int) -> None:
        """Publishes a release, and kills the agent so often while it installs it.

        An update that was over before is no test of a kill: another release is published then.
        """
        for _ in range(MOST_TRIES):
            self.lab.publisher.publish(kind)
            killed = [self._kill() for _ in range(kills)]
            if not kills or any(killed):
                return
        raise AssertionError("each update was over before it was killed")

    def _finished(self, act: Act) -> dict[str, Any]:
        """What is under way is finished; the last operation as `history` tells it."""
        self.type("update")
        (past,) = self.document("history", "--limit", "1")
        wanted = "committed" if act.code is Exit.DONE else "rolled_back"
        assert past["outcome"] == wanted, past
        found: dict[str, Any] = past
        return found

    def _kill(self) -> bool:
        """Kills an `update` at a random instant; whether it was still at work."""
        words = ["koprogo-agent", "update"]
        with subprocess.Popen(
            words, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                process.wait(self.dice.uniform(1.0, LATEST_KILL))
            except subprocess.TimeoutExpired:
                process.kill()
                return True
        return False

    def _heard(self) -> dict[str, float | None]:
        """What the report says, and the page of the instance once it was sent."""
        report = json.loads(self.type("report", "show").stdout)
        assert self.type("report", "send").returncode == Exit.DONE
        did, page = report["operation"], self.visitor.sees(f"/instances/{report['instance']}").text
        newest = next(row for row in page.split("<tr>") if f"{did['tag']}:" in row)
        found = TOLD.search(newest)
        return {
            "report": _longest(did.get("waited_ms"), did.get("away_ms"), unit=1000),
            "dashboard": float(found[1]) if found else None,
        }


def _longest(*told: float | None, unit: int = 1) -> float | None:
    known = [one / unit for one in told if one is not None]
    return max(known) if known else None


@pytest.fixture(scope="module")
def house(lab_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A stack that was brought up by hand; `config init` has been typed, and nothing else."""
    folder = tmp_path_factory.mktemp("house")
    fleet = Fleet(f"sqlite:///{folder}/fleet.db", folder)
    fleet.start()
    try:
        with Lab(lab_engine) as lab:
            lab.install(lab.publisher.publish())
            employ(fleet, "ann")
            visitor = Visitor(fleet)
            visitor.sees("/login", name="ann", password=PASSWORD)
            made = House(
                lab, fleet, visitor, folder / "config.toml", _environment(lab, fleet, folder)
            )
            _configure(made)
            yield made
    finally:
        fleet.stop()


def _environment(lab: Lab, fleet: Fleet, folder: Path) -> dict[str, str]:
    room = lab.publisher.room
    places = {
        "TRUST__DIRECTORY": f"{folder}/trust",
        "STATE__DIRECTORY": f"{folder}/state",
        "STATE__RUN_DIRECTORY": f"{folder}/run",
        "BACKUP__DIRECTORY": f"{folder}/backups",
        "HOLD__IMAGE": f"{room.repository}@{room.digest}",
        "SOAK__DURATION": "0",
        "FLEET__URL": fleet.url,
    }
    return {
        **Instance.create(lab).environment,
        **{f"KOPROGO_AGENT_{name}": value for name, value in places.items()},
        "KOPROGO_AGENT_CONFIG": str(folder / "config.toml"),
    }


def _configure(house: House) -> None:
    done = house.type(*words_of_init(house.lab, house.config), "--reports", "yes")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_said_is_what_users_saw(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """From the adoption on; no request fails, no row is lost, and all agree within a second."""
    seen: list[Seen] = []
    with client(house.lab.stack, USERS) as users:
        adopted = house.type("update")
    assert adopted.returncode == Exit.DONE, adopted.stdout + adopted.stderr
    assert users.tally().failed == 0
    for act in ACTS:
        seen.append(house.play(act))
        with capsys.disabled():
            print(seen[-1].line())  # noqa: T201 - the table
        _check_status(house)
    assert [fault for one in seen for fault in one.faults()] == []


def _check_status(house: House) -> None:
    """`status` calls it healthy, and says that users were asked for."""
    found = house.document("status")
    assert found["state"] in {"current", "waiting", "rolled_back"}, found
    assert found["condition"]["level"] == "up"
    assert found["condition"]["asked"]
    assert house.lab.stack.serves()
