"""Offices in which release managers work together: a product, a registry, and a desk for each."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from koprogo_agent.domain.armour import Kind
from tests.desks import JOB, PRODUCT, SECONDS, Desk, Workshop
from tests.lab import contents
from tests.lab.ca import Authority
from tests.lab.engine import Engine
from tests.lab.ingress import Ingress
from tests.lab.keys import GpgKey, SshKey
from tests.lab.lab import Lab
from tests.lab.origin import Origin
from tests.lab.processes import Daemon, run
from tests.lab.recipes import MigrationStyle, Recipe
from tests.lab.registry import Registry
from tests.lab.stack import COMPOSE_FILES, MIGRATIONS


def first_files(registry: str, ingress: Ingress = Ingress.TRAEFIK) -> dict[str, bytes]:
    """The product's files: the lab's sample stack, and how it is released."""
    recipe = Recipe()
    return {
        **contents.deployed(recipe, 1, MigrationStyle.START, ingress, {}),
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
