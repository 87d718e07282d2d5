"""The acts of the demo, and what a client counted in each of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from tests.instance import Instance
from tests.lab.client import Client, Tally
from tests.lab.forgeries import Forger, Forgery
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.releases import Release

DONE, REFUSED, ROLLED_BACK, FAILED = 0, 3, 4, 1


@dataclass(frozen=True)
class Act:
    """One act: what was counted while it was played, and what did not go as it should."""

    title: str
    tally: Tally
    faults: tuple[str, ...]


class Story:
    """Plays the acts one after the other on one stack."""

    def __init__(self, console: Console, lab: Lab, instance: Instance) -> None:
        self._console = console
        self._lab = lab
        self._instance = instance
        self._acts: list[Act] = []
        self._database = ""

    def install(self) -> bool:
        """The first installation: nobody uses the stack yet; tells whether it succeeded."""
        self._say("First install", "the association has tagged v1.0.0; nothing runs here yet")
        release = self._publish(Kind.GOOD)
        self._lab.stack.write_env(release.tag)
        if self._type("update") != DONE:
            return False
        self._acts.append(Act("first install", Tally(()), ()))
        self._database = self._lab.stack.containers()["postgres"]
        return True

    def with_user(self, client: Client) -> None:
        """Everything that follows happens while somebody works: 50 requests a second."""
        self._act(client, "update, no schema change", Kind.GOOD, DONE)
        self._act(client, "update with schema change", Kind.GOOD_WITH_MIGRATION, DONE)
        self._act(
            client, "broken at start: the rehearsal catches it", Kind.BROKEN_AT_START, FAILED, calm
        )
        self._act(
            client,
            "passes the rehearsal, breaks in production after its migration",
            Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION,
            ROLLED_BACK,
        )
        self._refusals(client)
        self._say("What the agent has to say", "")
        for verb in ("status", "history", "why"):
            self._type(verb)

    def sum_up(self, client: Client) -> list[str]:
        """Prints what the client counted; gives everything that was not as it should be."""
        lost = client.lost(self._lab.stack)
        table = Table(title="what a client saw, 50 requests a second through the ingress")
        for name in ("act", "requests", "failed", "longest outage", "rows acknowledged"):
            table.add_column(name, justify="left" if name == "act" else "right")
        for act in self._acts:
            tally = act.tally
            table.add_row(
                act.title,
                str(tally.requests),
                str(tally.failed),
                f"{tally.longest:.2f} s",
                str(len(tally.acknowledged)),
            )
        self._console.print(table)
        written = len(client.tally().acknowledged)
        self._console.print(f"{written} rows acknowledged in all, {len(lost)} of them lost")
        faults = [fault for act in self._acts for fault in act.faults]
        if lost:
            faults.append(f"{len(lost)} acknowledged rows are lost")
        if self._lab.stack.containers()["postgres"] != self._database:
            faults.append("the database's container was made anew")
        for fault in faults:
            self._console.print(f"[red]not as it should be: {fault}[/]")
        return faults

    def explain_how_to_look(self) -> None:
        """For KEEP=1."""
        self._console.print(
            f"\nEverything stays up until Ctrl-C. To look at it from another terminal:\n"
            f"  the stack:     {self._lab.stack.url}\n"
            f"  its containers: DOCKER_HOST={self._lab.engine.host} docker ps\n"
            f"  the agent:     KOPROGO_AGENT_CONFIG={self._instance.config} {_program()} status"
        )

    def _act(
        self,
        client: Client,
        title: str,
        kind: Kind,
        expected: int,
        check: Callable[[Tally], tuple[str, ...]] | None = None,
    ) -> None:
        release = self._publish(kind)
        self._say(title, f"{release.tag} appears on the git server")
        began = time.monotonic()
        code = self._type("update")
        tally = client.tally().since(began)
        faults = _unless(code == expected, f"{title}: exit code {code}, not {expected}")
        self._acts.append(Act(title, tally, faults + (check(tally) if check else ())))

    def _refusals(self, client: Client) -> None:
        began = time.monotonic()
        forger = Forger(self._lab.publisher, self._lab.keys)
        forged = forger.forge(Forgery.WRONG_SSH_KEY)
        self._say("A forged tag", f"{forged.tag} is signed by somebody whom nobody trusts")
        codes = [self._type("verify", forged.tag)]
        installed = self._lab.publisher.releases[2]
        self._say("A moved tag", f"{installed.tag}, well signed, now names another commit")
        forger.move(installed)
        self._type("check")
        codes.append(self._type("verify", installed.tag))
        faults = _unless(codes == [REFUSED, REFUSED], f"forged and moved tags: {codes}")
        tally = client.tally().since(began)
        self._acts.append(Act("a forged and a moved tag", tally, faults + calm(tally)))

    def _publish(self, kind: Kind) -> Release:
        return self._lab.publisher.publish(kind)

    def _say(self, title: str, text: str) -> None:
        self._console.print()
        self._console.print(Rule(f"[bold]{title}[/]", align="left"))
        if text:
            self._console.print(text)

    def _type(self, *words: str) -> int:
        """Types a command as a person would, on this very terminal."""
        self._console.print(f"[bold cyan]$ koprogo-agent {' '.join(words)}[/]")
        done = subprocess.run(
            [_program(), *words], env={**self._instance.environment, **_terminal()}, check=False
        )
        return done.returncode


def calm(tally: Tally) -> tuple[str, ...]:
    """Nobody may have noticed anything."""
    return _unless(tally.failed == 0, f"{tally.failed} requests failed where none should")


def _unless(good: object, fault: str) -> tuple[str, ...]:
    return () if good else (fault,)


def _program() -> Path:
    return Path(sys.executable).parent / "koprogo-agent"


def _terminal() -> dict[str, str]:
    """What the terminal is, so that colours and progress come out as for a person."""
    names = ("TERM", "COLUMNS", "COLORTERM", "NO_COLOR", "LANG")
    return {name: os.environ[name] for name in names if name in os.environ}
