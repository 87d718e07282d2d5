"""Which questions the application is asked on every path: none drops out in silence.

KoproGo's probe names a service and an address of users. It is to be asked in both ways: directly
while users are kept away from what it judges, and through the ingress as soon as they are let in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from koprogo_agent.ports import HttpProbe
from tests.simulation.instance import Instance
from tests.simulation.people import PROJECT, PUBLIC

DIRECTLY, AS_USERS = frozenset({"directly"}), frozenset({"through the ingress"})
BOTH = DIRECTLY | AS_USERS
GOES_BAD = {"exits": "in production"}


class Listener:
    """Hears what is asked, and in which step."""

    def __init__(self, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heard: defaultdict[str, set[str]] = defaultdict(set)
        self._instance, self._ask = instance, instance.scene.prober.ask
        instance.watcher.began.clear()
        monkeypatch.setattr(instance.scene.prober, "ask", self._hear)

    def _hear(self, probe: HttpProbe) -> str | None:
        began = self._instance.watcher.began
        step = str(began[-1]) if began else "between"
        self.heard[step] |= AS_USERS if probe.url == PUBLIC else DIRECTLY
        return self._ask(probe)

    @property
    def judged(self) -> dict[str, frozenset[str]]:
        """Step -> how it asked, for those that judge what users get."""
        judging = {"gate", "release", "soak", "undo gate", "undo release"}
        began = map(str, self._instance.watcher.began)
        return {step: frozenset(self.heard[step]) for step in began if step in judging}


def publish(instance: Instance, version: str, *, schema: bool, bad: bool) -> None:
    """Publishes a release and has the agent do what it does."""
    instance.scene.publisher.publish(version, schema=schema, backend=GOES_BAD if bad else {})
    instance.settle()


@pytest.mark.parametrize("route", [True, False])
@pytest.mark.parametrize("schema", [True, False])
def test_an_update(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, *, schema: bool, route: bool
) -> None:
    """Beside, with requests that wait, closed, or away from its users for a moment."""
    instance.scene.rooms.route = route
    listener = Listener(instance, monkeypatch)
    publish(instance, "1.1.0", schema=schema, bad=False)
    away = not schema and not route
    gate = BOTH if away else DIRECTLY
    assert listener.judged == {"gate": gate, "release": AS_USERS, "soak": BOTH}


@pytest.mark.parametrize("route", [True, False])
@pytest.mark.parametrize("schema", [True, False])
def test_a_way_back(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, *, schema: bool, route: bool
) -> None:
    """What ran before passes the same gate, and is asked as users ask it."""
    instance.scene.rooms.route = route
    listener = Listener(instance, monkeypatch)
    publish(instance, "1.1.0", schema=schema, bad=True)
    assert instance.running == "v1.0.0"
    away = not schema and not route
    gate = BOTH if away else DIRECTLY
    assert listener.judged == {"gate": gate, "undo gate": gate, "undo release": AS_USERS}


def test_an_installation(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is held: it is asked in both ways at once."""
    instance = Instance.new(folder)
    listener = Listener(instance, monkeypatch)
    publish(instance, "1.0.0", schema=False, bad=False)
    assert listener.judged == {"gate": BOTH, "soak": BOTH}


def _roll_back(instance: Instance) -> None:
    instance.requests.rollback()


def _restore(instance: Instance) -> None:
    instance.requests.restore(instance.scene.disk.backups()[0].path.name)


def _heal(instance: Instance) -> None:
    box = instance.scene.machine.one(PROJECT, "frontend")
    assert box is not None
    instance.scene.machine.stop(box)
    instance.settle()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (_roll_back, {"gate": DIRECTLY, "release": AS_USERS, "soak": BOTH}),
        (_restore, {"gate": DIRECTLY, "release": AS_USERS, "soak": BOTH}),
        # Healing ends with its release; the health of the same tick is heard there as well.
        (_heal, {"gate": DIRECTLY, "release": BOTH}),
    ],
)
def test_what_a_person_or_the_agent_itself_asks_for(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: Callable[[Instance], None],
    expected: Mapping[str, frozenset[str]],
) -> None:
    """A rollback, a restore, a stack that is put right."""
    instance = Instance.new(folder, policy={"drift": "heal"})
    instance.install()
    publish(instance, "1.0.1", schema=False, bad=False)
    listener = Listener(instance, monkeypatch)
    asked(instance)
    assert listener.judged == expected


def test_a_tick_without_an_operation(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Health for ever asks both."""
    listener = Listener(instance, monkeypatch)
    assert instance.tick() is None
    assert listener.heard == {"between": BOTH}
