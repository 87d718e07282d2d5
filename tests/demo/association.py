"""The acts in which people speak: they found their association, release, rotate, hold and yank."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from koprogo_agent.domain.armour import Kind as KeyKind
from koprogo_agent.update.status import read_status
from koprogo_agent.wire.report import StateName
from tests.demo.terminal import DONE, terminal
from tests.desks import JOB, Workshop
from tests.instance import Instance
from tests.lab.keys import SshKey
from tests.lab.processes import wait_until
from tests.lab.recipes import Kind
from tests.lab.releases import Release

PEOPLE = {"alice": KeyKind.SSH, "bob": KeyKind.SSH, "carol": KeyKind.SSH, "dora": KeyKind.SSH}
FOUNDERS = ("alice", "bob", "carol")


@dataclass(frozen=True)
class Association:
    """Three people of whom two must sign, the job that renews freshness, and whoever comes next.

    Attributes:
        console: where it is shown.
        shop: their desks.
        instance: one of the instances that believe them.
    """

    console: Console
    shop: Workshop
    instance: Instance

    def found(self) -> None:
        """They make the trust root; the instance is given it, as at install."""
        people = [word for name in FOUNDERS for word in ("--person", self.shop.person(name))]
        self.type("alice", "init", *people, "--threshold=2", "--freshness", f"{JOB}={self._online}")
        self._sign("koprogo-root-1.draft.json", "alice", "bob")
        self.type("bob", "publish", "koprogo-root-1.draft.json")
        raw = self.instance.lab.origin.repository.read("blob", "trust:root/1.json")
        self.instance.give_root(raw)
        publisher = self.instance.lab.publisher
        publisher.signer, publisher.cosigners = self.key("alice"), (self.key("bob"),)

    def release(self) -> Release:
        """They prepare the next release, two of them sign it, and it is published."""
        publisher = self.instance.lab.publisher
        draft = publisher.draft(Kind.GOOD)
        self.shop["alice"].git("pull", "--quiet", "--tags", "origin", "main")
        self.shop["alice"].git("fetch", "--quiet")
        file = f"koprogo-{draft.tag}.draft.json"
        self.type("alice", "prepare", draft.version)
        self._sign(file, "alice", "bob")
        self.type("bob", "publish", file)
        return publisher.published(draft)

    def rotate(self) -> None:
        """Carol has lost her laptop: the others take her key out, and dora's in."""
        self.type("alice", "rotate", "--remove", "carol", "--add", self.shop.person("dora"))
        self._sign("koprogo-root-2.draft.json", "alice", "bob")
        self.type("bob", "publish", "koprogo-root-2.draft.json")

    def let_freshness_expire(self) -> None:
        """The job says it for two seconds, and no more."""
        self.type(JOB, "freshness", "--valid=2s", "--push")
        with self.instance.engine() as engine:
            engine.look()
        wait_until(self._is_stale, 30, "freshness to expire")

    def key(self, name: str) -> SshKey:
        """Somebody's key, wherever it is now."""
        return SshKey(self.shop[name].home / "keys" / name)

    def type(self, name: str, *words: str) -> None:
        """Somebody types a command of `koprogo-release`; it must end well."""
        desk = self.shop[name]
        self.console.print(f"[bold magenta]{name}$ koprogo-release {shlex.join(words)}[/]")
        program = Path(sys.executable).parent / "koprogo-release"
        environment = {**desk.environment, **terminal()}
        done = subprocess.run([program, *words], cwd=desk.clone, env=environment, check=False)
        assert done.returncode == DONE, f"{name}: koprogo-release {words[0]} failed"

    @property
    def _online(self) -> Path:
        return self.shop.online

    def _sign(self, file: str, first: str, second: str) -> None:
        """One signs; the file is carried to the other, who signs it as well."""
        self.type(first, "sign", file)
        self.shop[second].git("fetch", "--quiet", "--tags")
        self.console.print(f"[dim]{first} sends {file} to {second}[/]")
        (self.shop[second].clone / file).write_bytes((self.shop[first].clone / file).read_bytes())
        self.type(second, "cosign", file, "--yes")

    def _is_stale(self) -> bool:
        with self.instance.engine() as engine:
            now = engine.world.clock.now()
            return read_status(engine.journal, engine.settings, now).state is StateName.STALE
