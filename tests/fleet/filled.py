"""A fleet of one of everything: each state, a release that fails, a copied key, a past."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import time
from typing import Any

from msgspec.structs import replace

from koprogo_agent.fleet.domain.census import Census
from koprogo_agent.fleet.domain.instances import first
from koprogo_agent.fleet.store import schema
from koprogo_agent.fleet.store.history import History
from koprogo_agent.fleet.store.instances import Change, Store
from koprogo_agent.fleet.store.migrate import migrate
from koprogo_agent.wire.report import Operation, Pending, StateName
from tests.fleet.machines import Machine, transition
from tests.fleet.servers import Fleet
from tests.fleet.visitors import employ

OLD, NEW = "v1.0.0", "v1.1.0"
_NINES = "9" * 9
ODD = f"v{_NINES}.{_NINES}.{_NINES}-" + ".".join(["99999999-" + "x" * 15] * 4)
"""As long as the name of a release may be."""
NAME = "ann"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_WORD = "x" + "_.-9" * 11 + "_y"
"""As long as a word of the wire may be."""


@dataclass
class Filled:
    """A server, and those of its instances that have a name here.

    Attributes:
        fleet: the server.
        now: when it was filled, seconds since 1970.
        of: what it is an example of -> an instance.
        reporting: how many instances do.
    """

    fleet: Fleet
    now: int = field(default_factory=lambda: int(time()))
    of: dict[str, Machine] = field(default_factory=dict)
    reporting: int = 0

    def another(self, what: str, **members: Any) -> Machine:  # noqa: ANN401 - of a report
        """One more instance, which reports."""
        machine = self.of[what] = Machine(self.fleet.url)
        assert machine.says(polled=self.now, **members).status == 200
        self.reporting += 1
        return machine


def fill(fleet: Fleet) -> Filled:
    """Gives a new server a past, starts it, and has everybody report."""
    filled = Filled(fleet)
    _remember(filled)
    fleet.start()
    employ(fleet, NAME)
    published = datetime.fromtimestamp(filled.now - 10 * _MINUTE, UTC).isoformat()
    fleet.type("release", OLD, "--published", "2026-01-01T12:00Z")
    fleet.type("release", NEW, "--published", published, "--security")
    for number in range(40):
        _updates(filled, number)
    for number in range(10):
        _fails(filled, number)
    _differ(filled)
    return filled


def _remember(filled: Filled) -> None:
    """Five days in which the fleet was counted, a night without a server, and who fell silent."""
    report = Machine(filled.fleet.url).report
    with filled.fleet.tables() as engine:
        migrate(engine)
        history, store = History(engine), Store(engine)
        hour_began = filled.now - filled.now % _HOUR
        for hour in range(120, -1, -1):
            counted = {
                Census(OLD, "current", verified=False): 40 + hour,
                Census("v0.9.0", "current", verified=True): 10,
                Census("v0.9.0", "late", verified=False): 2,
                Census("", "empty", verified=False): 1,
            }
            history.keep_census(hour_began - hour * _HOUR, counted)
        for what, ago in {"silent": 2 * _DAY, "left": 40 * _DAY, "late": _HOUR}.items():
            for _ in range(8):
                machine = filled.of[what] = Machine(filled.fleet.url)
                told = report(instance=machine.name, installed="v0.9.0")
                seen = first(told, filled.now - ago).instance
                store.keep([Change(replace(seen, enrolled=seen.seen - _DAY))])
        with engine.begin() as connection:
            night = {"began": filled.now - 30 * _HOUR, "ended": filled.now - 29 * _HOUR}
            connection.execute(schema.outage.insert(), night)


def _updates(filled: Filled, number: int) -> None:
    now = filled.now
    did = Operation(
        kind="update",
        tag=NEW,
        outcome="committed",
        began=now - 500 + number * 5,
        ended=now - 450 + number * 8,
        seen=now - 590,
        waited_ms=number * 1_700,
        turned_away=0,
        away_ms=0,
    )
    told = transition(number + 1, at=did.ended, installed=NEW, operation=did)
    before = transition(number, at=now - _DAY)
    filled.another("current", installed=NEW, operation=did, transitions=(told, before))


def _fails(filled: Filled, number: int) -> None:
    now = filled.now
    did = Operation(
        kind="update",
        tag=NEW,
        outcome="rolled_back",
        began=now - 500,
        ended=now - 400 + number,
        seen=now - 590,
        step="gate",
        code="gate.unhealthy",
        waited_ms=44_200,
        turned_away=number + 1,
        away_ms=0,
    )
    filled.another(
        "rolled_back",
        state=StateName.ROLLED_BACK,
        digest="a" * 64,
        operation=did,
        pending=Pending(tag=NEW, gate="quarantine", step="gate", code="gate.unhealthy"),
        transitions=(transition(1, at=did.ended, state=StateName.ROLLED_BACK, operation=did),),
    )


def _differ(filled: Filled) -> None:
    """One each of what is rare."""
    filled.another("held", state=StateName.HELD)
    down = transition(1, at=filled.now - 600, down=filled.now - 600)
    fault = "container.restarting"
    filled.another("down", down=filled.now - 600, fault=fault, transitions=(down,))
    filled.another("stale", state=StateName.STALE)
    filled.another("paused", state=StateName.PAUSED)
    filled.another("empty", state=StateName.EMPTY, installed=None)
    filled.another("updating", state=StateName.UPDATING, pending=Pending(tag=NEW, gate="next"))
    window = Pending(tag=NEW, gate="window", until=filled.now + _HOUR)
    filled.another("waiting", pending=window)
    token = filled.fleet.type("token", "building 12").split()[-1]
    filled.another("verified", token=token)
    copied = filled.another("cloned")
    for run in ("1" * 16, "0" * 16):
        copied.run = run
        copied.says()
    _is_odd(filled)


def _is_odd(filled: Filled) -> None:
    """All that the wire allows; also words that mean something to the pages themselves."""
    did = Operation(
        kind="own_name",
        tag=ODD,
        outcome="absent_of",
        began=filled.now,
        ended=0,
        step=_WORD,
        code="constructor",
        waited_ms=2**53 - 1,
        turned_away=2**53 - 1,
        away_ms=2**53 - 1,
    )
    filled.another(
        "odd",
        agent="999999999.0.0-alpha.1",
        channel="Z" + "_.-9" * 15,
        installed=ODD,
        operation=did,
        pending=Pending(tag=ODD, gate="own_name", step=_WORD, code=_WORD, until=2**53 - 1),
        transitions=(transition(2**53 - 1, at=2**53 - 1, installed=ODD, operation=did),),
    )
