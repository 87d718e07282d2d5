"""`koprogo-agent demo`: the whole story on a terminal, beside and apart from any real stack."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Annotated

import typer

import koprogo_agent
from koprogo_agent.errors import NeedsOperator

_PROGRAMS = {
    "dockerd": "docker.io",
    "iptables": "iptables",
    "docker-registry": "docker-registry",
    "haproxy": "haproxy",
    "busybox": "busybox-static",
    "git": "git",
    "ssh-keygen": "openssh-client",
    "gpg": "gnupg",
    "gpgv": "gpgv",
    "openssl": "openssl",
}
_MODULES = ("cryptography", "psycopg")
_POSTGRES = "/usr/lib/postgresql"
_PATH = "/usr/local/sbin:/usr/sbin:/sbin"

Keep = Annotated[bool, typer.Option("--keep", help="Leave it running at the end, to look at.")]


def demo(keep: Keep = False) -> None:
    """Show it all on a stack made for the purpose: updates, rollbacks, forged tags."""
    home = _home()
    lacking = sorted(set(_lacking_packages()))
    if lacking:
        raise NeedsOperator(
            f"the demo needs programs that are not here: {', '.join(lacking)}",
            code="demo.programs",
            advice=f"on a machine for trying things, as root: sh {home / 'scripts/setup.sh'}",
        )
    if _lacks_modules():
        raise NeedsOperator(
            "the demo needs Python packages that are not here",
            code="demo.packages",
            advice=f"{sys.executable} -m pip install {shlex.join(_modules())}",
        )
    environment = {**os.environ, "PYTHONPATH": str(home), "KEEP": "1" if keep else ""}
    # It takes this process's place: Ctrl-C is for the demo alone, which tidies up after itself.
    os.execve(sys.executable, [sys.executable, "-m", "tests.demo"], environment)  # noqa: S606


def _home() -> Path:
    """The folder that holds the demo's `tests`: shipped in the package, or the checkout."""
    package = Path(koprogo_agent.__file__).parent
    for home in (package / "_demo", package.parent):
        if (home / "tests/demo/__main__.py").is_file():
            return home
    raise NeedsOperator(
        "this installation came without the demo",
        code="demo.absent",
        advice="in a clone of the repository, type: make demo",
    )


def _lacking_packages() -> Iterator[str]:
    """Debian's names of what is not here."""
    path = f"{os.environ.get('PATH', '')}:{_PATH}"
    for program, package in _PROGRAMS.items():
        if shutil.which(program, path=path) is None:
            yield package
    if not list(Path(_POSTGRES).glob("*/bin/postgres")):
        yield "postgresql"


def _modules() -> list[str]:
    """What the extra `demo` asks for; its name would only help where the agent is published."""
    found = requires("koprogo-agent") or []
    return [one.partition(";")[0].strip() for one in found if "extra == 'demo'" in one]


def _lacks_modules() -> bool:
    compose = Path(sys.executable).parent / "docker-compose"
    has_compose = compose.exists() or shutil.which("docker-compose") is not None
    return not (has_compose and all(map(importlib.util.find_spec, _MODULES)))
