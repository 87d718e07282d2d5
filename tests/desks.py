"""Release managers at their desks: each with a clone, a key, and an SSH agent or GPG."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab import oci
from tests.lab.oci import Image, Settings, Tree
from tests.lab.origin import Origin
from tests.lab.processes import run
from tests.lab.registry import Registry
from tests.lab.typist import type_in

SECONDS = 120
IMAGES = ("backend", "frontend")
JOB = "job"
PRODUCT = "koprogo"


@dataclass(frozen=True)
class Desk:
    """Where one person works.

    Attributes:
        name: the person's.
        home: their home folder; the clone and carried files lie in it.
        engine: address of the docker engine.
    """

    name: str
    home: Path
    engine: str

    @property
    def clone(self) -> Path:
        """Their clone of the product."""
        return self.home / "clone"

    @property
    def agent(self) -> Path:
        """The socket of their SSH agent."""
        return self.home / "agent"

    @property
    def gnupg(self) -> Path:
        """The home of their GPG: its path must be short, a socket lies in it."""
        return self.home / "g"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which they type."""
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "GNUPGHOME": str(self.gnupg),
            "SSH_AUTH_SOCK": str(self.agent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "DOCKER_HOST": self.engine,
        }

    def type(
        self, *words: str, folder: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """What they type: `koprogo-release WORDS`, in their clone if nowhere else."""
        environment = {**self.environment, **(env or {})}
        return type_in(("koprogo-release", *words), environment, folder or self.clone, SECONDS)

    def must(self, *words: str, folder: Path | None = None) -> str:
        """The same; it must end well. What it printed."""
        done = self.type(*words, folder=folder)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def git(self, *words: str) -> str:
        """Git in their clone."""
        return run(["git", *words], cwd=self.clone, env=self.environment).decode().strip()

    def commit(self, files: Mapping[str, bytes | None], message: str) -> str:
        """Commits files (None removes one) on main and pushes; gives the commit."""
        self.git("pull", "--quiet", "origin", "main")
        for path, content in files.items():
            file = self.clone / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            if content is not None:
                file.write_bytes(content)
        self.git("add", "--all", *files)
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "origin", "main")
        return self.git("rev-parse", "HEAD")


@dataclass(frozen=True)
class Workshop:
    """The product, where it is hosted, and the people who release it.

    Attributes:
        keys: what `--person` takes for each of them: the path of a public key, or a fingerprint.
        online: the path of the freshness job's public key.
        product: its name.
    """

    root: Path
    registry: Registry
    origin: Origin
    desks: Mapping[str, Desk]
    keys: Mapping[str, str]
    online: Path
    product: str = PRODUCT

    def __getitem__(self, name: str) -> Desk:
        """Somebody's desk."""
        return self.desks[name]

    def push_images(self, tag: str) -> None:
        """Builds and pushes the images of a version."""
        for name in IMAGES:
            tree = Tree()
            tree.write("/version", f"{name} {tag}\n")
            image = Image((tree.layer(),), Settings(command=("none",)))
            oci.push(image, self.registry, f"koprogo/{name}", [tag])

    def found(self, *more: str) -> None:
        """The whole first ceremony, two of all: made by the first person, published by the last."""
        first, *others = [name for name in self.desks if name != JOB]
        named = [word for name in (first, *others) for word in ("--person", self.person(name))]
        self[first].must("init", *named, "--freshness", f"{JOB}={self.online}", *more)
        self.sign_root(1, first, others[-1])
        self[others[-1]].must("publish", f"{self.product}-root-1.draft.json")

    def person(self, name: str) -> str:
        """What `--person` takes for somebody."""
        return f"{name}={self.keys[name]}"

    def sign_root(self, version: int, *signers: str) -> None:
        """A trust root is signed by one after the other, each in their own clone."""
        file = f"{self.product}-root-{version}.draft.json"
        giver = signers[0]
        for name in signers:
            if name != giver:
                self[name].git("fetch", "--quiet")
                (self[name].clone / file).write_bytes((self[giver].clone / file).read_bytes())
            self[name].must("sign", file)
            giver = name

    def cut(self, version: str, first: str, second: str, *more: str) -> str:
        """Prepares a release and has it signed by two; gives the draft's name, in first's clone."""
        self.push_images(version)
        return self.draw_up(version, first, second, *more)

    def draw_up(self, version: str, first: str, second: str, *more: str) -> str:
        """The same for a version whose images are there."""
        file = f"{self.product}-v{version}.draft.json"
        self[first].git("pull", "--quiet", "--tags", "origin", "main")
        self[first].git("fetch", "--quiet")
        self[first].must("prepare", version, *more)
        self[first].must("sign", file)
        self[second].must("cosign", file, "--yes", folder=self.carry(file, first, second))
        self.bring_back(file, second, first)
        return file

    def carry(self, file: str, giver: str, taker: str) -> Path:
        """Carries a file from one's clone to a folder of another's where there is no clone."""
        folder = self[taker].home / "carried"
        folder.mkdir(exist_ok=True)
        (folder / file).write_bytes((self[giver].clone / file).read_bytes())
        return folder

    def bring_back(self, file: str, giver: str, taker: str) -> None:
        """Carries a file that somebody has signed into another's clone."""
        signed = (self[giver].home / "carried" / file).read_bytes()
        (self[taker].clone / file).write_bytes(signed)
