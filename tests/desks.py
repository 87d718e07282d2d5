"""Release managers at their desks: each with a clone, a key, and an SSH agent or GPG."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from koprogo_agent.domain.armour import Kind
from tests.lab import contents, oci
from tests.lab.ca import Authority
from tests.lab.engine import Engine
from tests.lab.keys import GpgKey, SshKey
from tests.lab.lab import Lab
from tests.lab.oci import Image, Settings, Tree
from tests.lab.origin import Origin
from tests.lab.processes import Daemon, run
from tests.lab.recipes import MigrationStyle, Recipe
from tests.lab.registry import Registry
from tests.lab.stack import COMPOSE_FILES, MIGRATIONS
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


def first_files(registry: str) -> dict[str, bytes]:
    """The product's files: the lab's sample stack, and how it is released."""
    recipe = Recipe()
    return {
        **contents.deployed(recipe, 1, MigrationStyle.START),
        **contents.undeployed(contents.first_migrations()),
        "koprogo-release.toml": _settings(registry),
    }


def _settings(registry: str) -> bytes:
    return f"""
compose_files = {list(COMPOSE_FILES)!r}
migrations = "{MIGRATIONS}"
image_tag = "{{version}}"

[images]
backend = "{registry}/koprogo/backend"
frontend = "{registry}/koprogo/frontend"

[values]
REGISTRY = "{registry}"
""".encode()


@contextmanager
def workshop(
    engine: Engine,
    people: Mapping[str, Kind],
    product: str = PRODUCT,
    files: Callable[[str], Mapping[str, bytes]] = first_files,
) -> Iterator[Workshop]:
    """A product without any release, and people with keys.

    Args:
        engine: the docker engine.
        people: name -> kind of their key.
        product: the product's name.
        files: gives the product's first files, by the address of the registry.
    """
    with ExitStack() as exits:
        root = exits.enter_context(_short_folder())
        registry = exits.enter_context(Registry(root / "registry"))
        ours, stranger = (Authority.create(root / "ca", name) for name in ("lab", "stranger"))
        origin = exits.enter_context(Origin(root / "origin", ours, stranger))
        _seed(origin, files(registry.address))
        seated = _seated(root, registry, origin, engine, people)
        yield replace(exits.enter_context(seated), product=product)


@contextmanager
def workshop_of(lab: Lab, people: Mapping[str, Kind]) -> Iterator[Workshop]:
    """People who found an association of their own for a lab's product, of which nobody has yet."""
    lab.association.disband()
    lab.publisher.besides["koprogo-release.toml"] = _settings(lab.registry.address)
    with (
        _short_folder() as root,
        _seated(root, lab.registry, lab.origin, lab.engine, people) as made,
    ):
        yield made


@contextmanager
def _short_folder() -> Iterator[Path]:
    """A folder with a short path, for the sockets that lie in it."""
    with TemporaryDirectory(prefix="kr-", dir="/tmp") as name:
        yield Path(name)


@contextmanager
def _seated(
    root: Path, registry: Registry, origin: Origin, engine: Engine, people: Mapping[str, Kind]
) -> Iterator[Workshop]:
    origin.repository.git("config", "http.receivepack", "true")
    with ExitStack() as exits:
        online = SshKey.create(root / "online", "freshness")
        desks, keys = {}, {}
        for name, kind in {**people, JOB: Kind.SSH}.items():
            desk = Desk(name, root / name, engine.host)
            keys[name] = _furnish(desk, kind, online.file if name == JOB else None, exits)
            _clone(desk, origin)
            desks[name] = desk
        _introduce(desks, keys)
        yield Workshop(root, registry, origin, desks, keys, online.file.with_suffix(".pub"))


def _seed(origin: Origin, files: Mapping[str, bytes]) -> None:
    repository = origin.repository
    tree = repository.tree(files)
    repository.point("refs/heads/main", repository.commit(tree, [], "Begin", 1_700_000_000))


def _furnish(desk: Desk, kind: Kind, file: Path | None, exits: ExitStack) -> str:
    """A key, and what signs with it; gives what names the key to `--person`."""
    desk.home.mkdir()
    agent = Daemon(["ssh-agent", "-D", "-a", str(desk.agent)], desk.home / "agent.log")
    exits.callback(agent.stop)
    agent.wait_ready(lambda: _answers(desk), SECONDS)
    exits.callback(run, ["gpgconf", "--kill", "all"], env=desk.environment)
    if kind is Kind.GPG:
        return GpgKey.create(desk.gnupg, desk.name).fingerprint
    desk.gnupg.mkdir(mode=0o700)
    file = file or SshKey.create(desk.home / "keys", desk.name).file
    run(["ssh-add", "-q", str(file)], env=desk.environment)
    return str(file.with_suffix(".pub"))


def _answers(desk: Desk) -> bool:
    """Whether an SSH agent listens; its socket is there a moment before."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as client, contextlib.suppress(OSError):
        client.connect(str(desk.agent))
        return True
    return False


def _introduce(desks: Mapping[str, Desk], keys: Mapping[str, str]) -> None:
    """Everybody gets the public GPG keys of the others."""
    for owner, desk in desks.items():
        if not keys[owner].endswith(".pub"):
            public = run(["gpg", "--export", keys[owner]], env=desk.environment)
            for other in desks.values():
                run(["gpg", "--quiet", "--import"], stdin=public, env=other.environment)


def _clone(desk: Desk, origin: Origin) -> None:
    settings = (
        ("user.name", desk.name.title()),
        ("user.email", f"{desk.name}@koprogo.example"),
        ("http.sslCAInfo", str(origin.ca_file)),
    )
    for key, value in settings:
        run(["git", "config", "--global", key, value], env=desk.environment)
    run(["git", "clone", "--quiet", origin.url, str(desk.clone)], env=desk.environment)
