"""Secrets where nobody may find them: canaries, looked for wherever the agent leaves words.

One daemon works through releases that fail in the ways in which programs repeat what they know:
one does not start, one has a compose file that quotes a value, one prints the address of its
database when it cannot migrate, and for one the registry wants another password.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.attacks.field import Field
from tests.attacks.letters import Letterbox
from tests.attacks.wire import daemon
from tests.instance import PATIENT_GATE, Instance
from tests.lab.engine import Engine
from tests.lab.forgeries import Forger
from tests.lab.lab import Lab
from tests.lab.processes import wait_until
from tests.lab.recipes import Kind, MigrationStyle
from tests.lab.registry import Credentials
from tests.lab.stack import QUICK

pytestmark = pytest.mark.real

OF_THE_STACK = {
    "POSTGRES_PASSWORD": "canary-of-the-database-5d1f",
    "JWT_SECRET": "canary-of-the-tokens-of-thirty-two-characters-88c2",
    "MAIL_PASSWORD": "canary-of-the-mail-41aa",
}
REGISTRY, LETTERS = "canary-of-the-registry-9b07", "canary-of-the-letters-e630"
CANARIES = (*OF_THE_STACK.values(), REGISTRY, LETTERS)


@pytest.fixture(scope="module")
def lab(lab_engine: Engine) -> Iterator[Lab]:
    """A private registry, and secrets in the operator's env file."""
    credentials = Credentials("koprogo", REGISTRY)
    with Lab(
        lab_engine,
        credentials=credentials,
        settings={**QUICK, **OF_THE_STACK},
        style=MigrationStyle.SERVICE,
    ) as lab:
        yield lab


@pytest.fixture(scope="module")
def field(lab: Lab) -> Iterator[Field]:
    """An instance that rehearses and backs up, and tells of it at an address with a password."""
    first = lab.publisher.publish(Kind.GOOD)
    lab.stack.write_env(first.version)
    with Letterbox() as letters:
        instance = Instance.create(
            lab,
            gate=PATIENT_GATE,
            migration={"kind": "service", "service": "migrate"},
            notify={"urls": [letters.url.replace("//", f"//koprogo:{LETTERS}@")]},
            source={"interval": 1},
            log={"level": "debug"},
        )
        with instance.engine() as engine:
            ran = engine.tick()
        assert ran is not None
        assert ran.outcome == "committed", ran.operation.state.cause
        yield Field(instance, Forger(lab.publisher, lab.keys), letters)


QUOTING = {"services": {"frontend": {"mem_limit": "${JWT_SECRET}"}}}
PRINTS = "printf '\\033[2Jno way to %s' $$DATABASE_URL; exit 3"
PRINTING = {"services": {"migrate": {"entrypoint": ["/bin/sh", "-c", PRINTS]}}}


def publish_failing(field: Field) -> set[str]:
    """Releases that fail, each in its own way; their tags."""
    publisher = field.lab.publisher
    tags = {publisher.publish(Kind.BROKEN_AT_START).tag}
    for kind, compose in ((Kind.GOOD, QUOTING), (Kind.GOOD_WITH_MIGRATION, PRINTING)):
        publisher.compose = compose
        tags.add(publisher.publish(kind).tag)
    return tags


def ended(field: Field) -> dict[str, str]:
    """The releases that have failed, and the code of each."""
    with field.instance.engine() as engine:
        past = engine.journal.past(20)
    causes = {one.operation.tag: one.operation.state.cause for one in past}
    return {tag: cause.code for tag, cause in causes.items() if cause}


VERBS = (
    *(("status",), ("status", "--json"), ("why",), ("why", "--json"), ("history",)),
    *(("history", "--json"), ("check",), ("doctor",), ("config", "show"), ("update", "--json")),
)


@pytest.fixture(scope="module")
def words(field: Field, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Everything that the agent has left anywhere, once all of it has failed."""
    tags = publish_failing(field)
    with daemon(field.instance, tmp_path_factory.mktemp("wire")) as heard:
        wait_until(lambda: tags <= ended(field).keys(), 200, "every release to fail", 0.5)
        alive = _files(field.state)
    said = [field.types(*verb) for verb in VERBS]
    assert all(one.stdout for one in said)
    letters = field.letters.empty()
    assert {tag for tag in tags if any(tag in one.title for one in letters)} == tags
    return {
        "the log": heard.log,
        "the words of programs": "\n".join(sorted(heard.programs)),
        "what is shown": "\n".join(one.stdout + one.stderr for one in said),
        "letters": "\n".join(f"{one.title} {one.body}" for one in letters),
        "the journal": _journal(field.state / "state.db"),
        "the agent's folder": alive + _files(field.state),
    }


PLACES = (
    *("the log", "the words of programs", "what is shown", "letters", "the journal"),
    "the agent's folder",
)


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_found(words: Mapping[str, str], place: str) -> None:
    """Neither of the stack, nor of the registry, nor of the addresses that are told."""
    assert words[place]
    found = {one for one in CANARIES if one in words[place]}
    assert found == set(), _around(words[place], found)


def test_what_a_container_prints_is_shown_without_effect(words: Mapping[str, str]) -> None:
    """It would clear the screen of whoever reads why the release failed."""
    for place in ("the log", "what is shown", "letters"):
        assert "[2Jno way to" in words[place]
        assert "\x1b" not in words[place]


def test_the_canaries_were_alive(field: Field, words: Mapping[str, str]) -> None:
    """Each was in use where it belongs; and every release failed as it was meant to."""
    codes = sorted(ended(field).values())
    assert codes == ["compose.invalid", "rehearsal.failed", "rehearsal.failed"]
    assert "no way to postgresql://" in words["the journal"]
    with closing(field.lab.engine.client()) as client:
        told = client.api.inspect_container(f"{field.lab.name}-backend")["Config"]["Env"]
    inside = "\n".join(told)
    assert OF_THE_STACK["POSTGRES_PASSWORD"] in inside
    assert OF_THE_STACK["JWT_SECRET"] in inside
    assert any("git" in one for one in words["the words of programs"].splitlines())
    known = json.loads((field.lab.docker_config / "config.json").read_text())
    assert field.lab.registry.address in known["auths"]


def _journal(path: Path) -> str:
    """Every row of every table, and what lies in the file besides."""
    with closing(sqlite3.connect(path)) as connection:
        rows = "\n".join(
            repr(row)
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            for row in connection.execute(f"SELECT * FROM {table}")  # noqa: S608 - its own names
        )
    return rows + path.read_bytes().decode("latin-1")


def _files(folder: Path) -> str:
    """The names and contents of all files; what a link leads to elsewhere is the operator's."""
    paths = sorted(folder.rglob("*"))
    files = (path for path in paths if path.is_file() and not path.is_symlink())
    return "\n".join(f"{path}\n{_content(path)}" for path in files)


def _content(path: Path) -> str:
    """A file of the daemon's may go while it is looked at."""
    try:
        return path.read_bytes().decode("latin-1")
    except FileNotFoundError:
        return ""


def _around(text: str, found: set[str]) -> list[str]:
    """Where canaries were found."""
    places = {one: text.index(one) for one in found}
    return [text[max(0, at - 200) : at + len(one)] for one, at in places.items()]
