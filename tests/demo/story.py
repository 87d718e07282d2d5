"""The acts of the demo, and what a client counted in each of them."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from tests.demo.association import Association
from tests.demo.beside import CONNECTIONS, RATE, PlainCompose
from tests.demo.terminal import DONE, FAILED, REFUSED, ROLLED_BACK, terminal
from tests.desks import JOB
from tests.lab.client import Client, Tally
from tests.lab.forgeries import Forger, Forgery
from tests.lab.keys import Signer
from tests.lab.recipes import Kind
from tests.lab.releases import Release

NO_SCHEMA = "update, no schema change"
SCHEMA = "update with schema change"
CAUGHT = "broken at start, caught by the rehearsal"
BROKEN = "broken in production after its migration"
WHAT_A_CLIENT_SAW = "what a client saw"


@dataclass(frozen=True)
class Act:
    """One act: what was counted while it was played, and what did not go as it should."""

    title: str
    tally: Tally
    faults: tuple[str, ...] = ()


class Story:
    """Plays the acts one after the other on one stack."""

    def __init__(self, console: Console, association: Association, plain: PlainCompose) -> None:
        self._console = console
        self._plain = plain
        self._association = association
        self._instance = association.instance
        self._lab = association.instance.lab
        self._acts: list[Act] = []
        self._database = ""

    def install(self) -> bool:
        """The first installation: nobody uses the stack yet; tells whether it succeeded."""
        self._say(
            "The association", "three people, of whom two must sign; their machines are apart"
        )
        self._association.found()
        self._say("A release", "prepared by one, signed by two, published with its freshness")
        release = self._association.release()
        self._lab.stack.write_env(release.version)
        self._say("First install", f"{release.tag} is published; nothing runs here yet")
        if self._type("update") != DONE:
            return False
        self._plain.bring("first install", release)
        self._database = self._lab.stack.containers()["postgres"]
        return True

    def report(self) -> None:
        """Shows what the association has heard, and hears of all that follows."""
        self._say("A report", "the operator has chosen that the association may know")
        self._type("report", "show")

    def with_user(self, client: Client) -> None:
        """Everything that follows happens while somebody works: 50 requests a second."""
        self._beside(self._act(client, NO_SCHEMA, Kind.GOOD, DONE))
        self._beside(self._act(client, SCHEMA, Kind.GOOD_WITH_MIGRATION, DONE))
        self._act(client, CAUGHT, Kind.BROKEN_AT_START, FAILED)
        broken = Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION
        self._beside(self._act(client, BROKEN, broken, ROLLED_BACK))
        self._refusals(client)
        self._trust(client)
        self._say("What the agent has to say", "")
        for verb in ("status", "history", "why"):
            self._type(verb)

    def sum_up(self, client: Client) -> list[str]:
        """Prints what the client counted; gives everything that was not as it should be."""
        with self._console.status("plain Compose has not come to the end yet"):
            self._plain.finish()
        self._console.print()
        self._console.print(self._table())
        lost = client.lost(self._lab.stack)
        written = len(client.tally().acknowledged)
        self._console.print(f"{written} rows acknowledged to the client, {len(lost)} of them lost")
        faults = [fault for act in self._acts for fault in act.faults]
        if self._plain.fault:
            faults.append(f"plain Compose could not be measured: {self._plain.fault}")
        if repeated := client.tally().repeated:
            faults.append(f"{len(repeated)} writes were executed twice")
        if lost:
            faults.append(f"{len(lost)} acknowledged rows are lost")
        if self._lab.stack.containers()["postgres"] != self._database:
            faults.append("the database's container was made anew")
        for fault in faults:
            self._console.print(f"[red]not as it should be: {fault}[/]")
        return faults

    def installed(self) -> str:
        """Tag of what the agent has installed; an empty string where nothing is."""
        with self._instance.engine() as engine:
            deployment = engine.journal.installed
        return deployment.tag if deployment else ""

    def explain_how_to_look(self) -> None:
        """For whoever has another terminal."""
        for name, how in (
            ("the stack", self._lab.stack.url),
            ("its containers", f"DOCKER_HOST={self._lab.engine.host} docker ps"),
            ("the agent", f"KOPROGO_AGENT_CONFIG={self._instance.config} {_program()} status"),
        ):
            self._console.print(f"  {name:<15} {how}", soft_wrap=True)

    def _act(
        self,
        client: Client,
        title: str,
        kind: Kind,
        expected: int,
    ) -> Release:
        release = self._publish(kind)
        self._say(title, f"{release.tag} appears on the git server")
        began = time.monotonic()
        code = self._type("update")
        faults = _unless(code == expected, f"{title}: exit code {code}, not {expected}")
        self._close(title, client.tally().since(began), faults)
        return release

    def _close(self, title: str, tally: Tally, faults: tuple[str, ...]) -> None:
        """Ends an act; in none of them a request may fail."""
        fault = f"{title}: {tally.failed} requests failed where none should"
        self._acts.append(Act(title, tally, faults + _unless(tally.failed == 0, fault)))

    def _beside(self, release: Release) -> None:
        """Has plain Compose bring the release of the last act as well."""
        self._plain.bring(self._acts[-1].title, release)

    def _table(self) -> Table:
        title = f"{WHAT_A_CLIENT_SAW}: {RATE} requests a second, half of them writes"
        table = Table(title=f"{title}, {CONNECTIONS} connections", title_justify="left")
        table.add_column("act")
        for name in ("failed of sent", "outage", "longest wait"):
            table.add_column(name, justify="right", no_wrap=True)
        by_compose = {one.title: one for one in self._plain.updates}
        for act in self._acts:
            table.add_row(act.title, *_counted(act.tally))
            if one := by_compose.get(act.title):
                failed, outage, waited = _counted(one.tally)
                # It ends when somebody repairs the stack; the count ends when Compose gives up.
                outage = "does not end" if one.complaint else outage
                table.add_row("  the same by plain Compose", failed, outage, waited, style="dim")
        return table

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
        forger.restore(installed)
        faults = _unless(codes == [REFUSED, REFUSED], f"forged and moved tags: {codes}")
        self._close("a forged and a moved tag", client.tally().since(began), faults)

    def _trust(self, client: Client) -> None:
        """A key is lost, nobody vouches for freshness, a release is taken back: one act."""
        began, association = time.monotonic(), self._association
        alice, carol, dora = (association.key(name) for name in ("alice", "carol", "dora"))
        self._say("A lost key", "carol's laptop is gone; the other two take her key out")
        association.rotate()
        old = self._publish(Kind.GOOD, carol, alice)
        faults = self._expect(REFUSED, "verify", old.tag)
        new = self._publish(Kind.GOOD, alice, dora)
        faults += self._installs(new, f"{new.tag} is signed by alice and dora")
        self._say("Time stands still", "the job that renews freshness does not run")
        association.let_freshness_expire()
        waiting = self._publish(Kind.GOOD, alice, dora)
        faults += self._expect(DONE, "update") + self._expect(DONE, "status")
        faults += _unless(self.installed() == new.tag, "something was installed while STALE")
        association.type(JOB, "freshness", "--push")
        faults += self._installs(waiting, "the job runs again")
        self._say("A bad release is taken back", "somebody found out what it does")
        bad = self._publish(Kind.GOOD, alice, dora)
        association.type("bob", "yank", bad.version, "--reason", "loses attachments")
        faults += self._expect(DONE, "update") + self._expect(DONE, "why")
        faults += _unless(self.installed() == waiting.tag, "what was yanked was installed")
        tally = client.tally().since(began)
        self._close("two updates, a rotated key, a yank", tally, faults)

    def _installs(self, release: Release, text: str) -> tuple[str, ...]:
        """Lets the agent act; the release must be what runs afterwards."""
        self._say(f"{release.tag} is installed", text)
        faults = self._expect(DONE, "update")
        return faults + _unless(self.installed() == release.tag, f"{release.tag} is not installed")

    def _expect(self, expected: int, *words: str) -> tuple[str, ...]:
        code = self._type(*words)
        return _unless(code == expected, f"{' '.join(words)}: exit code {code}, not {expected}")

    def _publish(
        self, kind: Kind, signer: Signer | None = None, cosigner: Signer | None = None
    ) -> Release:
        cosigners = None if cosigner is None else (cosigner,)
        return self._lab.publisher.publish(kind, signer=signer, cosigners=cosigners)

    def _say(self, title: str, text: str) -> None:
        self._console.print()
        self._console.print(Rule(f"[bold]{title}[/]", align="left"))
        if text:
            self._console.print(text)

    def _type(self, *words: str) -> int:
        """Types a command as a person would, on this very terminal."""
        self._console.print(f"[bold cyan]$ koprogo-agent {shlex.join(words)}[/]")
        done = subprocess.run(
            [_program(), *words], env={**self._instance.environment, **terminal()}, check=False
        )
        if words == ("update",) and self._instance.settings.fleet.reports:
            # As the daemon does, which would have updated by itself.
            self._instance.type("report", "send")
        return done.returncode


def _counted(tally: Tally) -> tuple[str, str, str]:
    """Cells of the table: failed of sent, outage, longest wait."""
    outage = f"{tally.failing:.1f} s" if tally.failed else "none"
    return f"{tally.failed:,} of {tally.requests:,}", outage, f"{tally.longest_wait:.1f} s"


def _unless(good: object, fault: str) -> tuple[str, ...]:
    return () if good else (fault,)


def _program() -> Path:
    return Path(sys.executable).parent / "koprogo-agent"
