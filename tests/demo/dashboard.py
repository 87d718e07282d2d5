"""The last act: three instances, and the association that sees on its dashboard how they stand."""

from __future__ import annotations

import re
import secrets
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.rule import Rule

from tests.demo.association import Association
from tests.demo.visit import Visit
from tests.fleet.servers import Fleet
from tests.instance import PATIENT_GATE, Instance
from tests.lab.lab import Lab
from tests.lab.processes import Daemon, LabError, wait_until
from tests.lab.recipes import Kind

WHO = "anna"
ZONE = ZoneInfo("Europe/Brussels")
_INTERVAL = 5
"""Seconds between polls: nobody shall have to wait for three minutes."""
_SECONDS = 300.0
_PAUSE = 0.5
_COUNTED = re.compile(r'koprogo_fleet_instances\{installed="(.*?)",state="(.*?)",.*\} (\d+)')

Census = dict[tuple[str, str], int]
"""Version and state -> how many instances."""


class Dashboard:
    """The association's fleet server, and three self-hosters who want it to know.

    Attributes:
        server: the server.
        first: keeps the stack that the rest of the story is about.
        others: keep small stacks, without a storage of their own; they join in the last act.
    """

    def __init__(self, console: Console, lab: Lab, folder: Path, running: ExitStack) -> None:
        self._console = console
        self._running = running
        self.server = Fleet(f"sqlite:///{folder}/fleet.db", folder, {"TIMEZONE": ZONE.key})
        self.server.start()
        running.callback(self.server.stop)
        self._password = secrets.token_urlsafe(12)
        self.server.type("user", WHO, answers=f"{self._password}\n")
        self.first = self._instance(lab, "rehearses each release", "always")
        self.others = tuple(
            self._instance(lab.neighbour(name), f"a small one, {name}", "schema") for name in "bc"
        )

    def play(self, association: Association, tag: str) -> tuple[Visit, list[str]]:
        """Two join, and a release comes that does not suit everybody.

        Args:
            association: publishes it.
            tag: what all run before.

        Returns:
            How to look at it, and what was not as it should be.
        """
        self._say("The fleet", f"two more instances, for which {tag} is the first release")
        publisher = self.first.lab.publisher
        root = publisher.repository.read("blob", "trust:root/1.json")
        for instance in self.others:
            instance.give_root(root)
            instance.lab.stack.write_env(tag.removeprefix("v"), SEED_DOCUMENTS="false")
        moment = "--format=%(taggerdate:iso-strict)"
        published = publisher.repository.git("for-each-ref", moment, f"refs/tags/{tag}")
        self._type("release", tag, "--published", published.strip())
        for instance in (self.first, *self.others):
            self._serve(instance)
        faults = self._expect({(tag, "current"): 3})
        before = datetime.now(ZONE)
        alice, dora = association.key("alice"), association.key("dora")
        bad = publisher.publish(Kind.BROKEN_IN_PRODUCTION, signer=alice, cosigners=[dora])
        self._say(f"{bad.tag} is published", "it does not get on with one of the three stacks")
        self._type("release", bad.tag)
        faults += self._expect({(bad.tag, "current"): 2, (tag, "rolled_back"): 1})
        return Visit(self.server.url, WHO, self._password, bad.tag, before), faults

    def _instance(self, lab: Lab, note: str, rehearses: str) -> Instance:
        token = self.server.type("token", note).strip()
        return Instance.create(
            lab,
            gate=PATIENT_GATE,
            source={"interval": _INTERVAL},
            rehearsal={"when": rehearses},
            fleet={"reports": True, "url": self.server.url, "token": token},
        )

    def _serve(self, instance: Instance) -> None:
        """Starts an agent as systemd does; it runs to the end of the demo."""
        program = str(Path(sys.executable).parent / "koprogo-agent")
        agent = Daemon([program, "run"], instance.root / "log", instance.environment)
        self._running.callback(agent.stop)

    def _expect(self, wanted: Census) -> list[str]:
        """Says what the server counts whenever it changes, until it is this."""
        said: list[Census] = []

        def is_so() -> bool:
            counted = census(self.server)
            if counted != (said[-1] if said else {}):
                self._console.print(f"the dashboard counts {_in_words(counted)}")
                said.append(counted)
            return counted == wanted

        try:
            wait_until(is_so, _SECONDS, f"{_in_words(wanted)} on the dashboard", _PAUSE)
        except LabError as error:
            return [str(error)]
        return []

    def _type(self, *words: str) -> None:
        """Somebody of the association types a command of `koprogo-fleet`."""
        self._console.print(f"[bold magenta]{WHO}$ koprogo-fleet {shlex.join(words)}[/]")
        self._console.print(self.server.type(*words).strip())

    def _say(self, title: str, text: str) -> None:
        self._console.print()
        self._console.print(Rule(f"[bold]{title}[/]", align="left"))
        self._console.print(text)


@contextmanager
def dashboard(console: Console, lab: Lab) -> Iterator[Dashboard]:
    """The server, and at the end the agents that report to it, run inside this block."""
    folder = lab.root / "fleet"
    folder.mkdir()
    with ExitStack() as running:
        yield Dashboard(console, lab, folder, running)


def census(server: Fleet) -> Census:
    """What a server counts now."""
    found = _COUNTED.findall(server.get("/metrics"))
    counted: Census = {}
    for tag, state, number in found:
        if int(number):
            counted[tag, state] = counted.get((tag, state), 0) + int(number)
    return counted


def _in_words(counted: Census) -> str:
    kinds = sorted(counted.items())
    return ", ".join(f"{tag or 'nothing'} {state}: {number}" for (tag, state), number in kinds)
