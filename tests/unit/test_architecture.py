"""The house rules that imports and types cannot show, read from the source itself."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "koprogo_agent"
DOMAIN = PACKAGE / "domain"
MODULES = sorted(PACKAGE.rglob("*.py"))
PYTHON = sorted([*MODULES, *(ROOT / "tests").rglob("*.py")])

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60

# What the pure core may import: values, their grammar and their arithmetic. Whatever could look at
# the clock, a file, the network, the process or chance is absent, and anything new is a decision.
DOMAIN_IMPORTS = frozenset(
    {
        *("__future__", "abc", "base64", "binascii", "collections", "contextlib", "copy"),
        *("dataclasses", "datetime", "enum", "functools", "hashlib", "hmac", "itertools"),
        *("ipaddress", "json", "koprogo_agent.domain", "koprogo_agent.errors", "math", "operator"),
        *(
            "pathlib",
            "re",
            "semver",
            "shlex",
            "string",
            "struct",
            "types",
            "typing",
            "typing_extensions",
            "urllib.parse",
        ),
    }
)
# pathlib and datetime are there for their values; these are the parts of them that are not.
PATHLIB_NAMES = frozenset({"PurePath", "PurePosixPath"})
IMPURE_NAMES = frozenset(
    {
        *("__import__", "breakpoint", "compile", "eval", "exec", "globals", "input", "open"),
        *("print", "vars"),
    }
)
IMPURE_ATTRIBUTES = frozenset({"now", "today", "utcnow", "fromtimestamp", "astimezone"})


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(), filename=str(path))


def impurities(tree: ast.AST) -> Iterator[str]:
    """What in this code could make the same input give another output."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                bad = (it.name for it in names if not _allowed(it.name) or it.name == "pathlib")
                yield from (f"import {name}" for name in bad)
            case ast.ImportFrom(module=module, names=names, level=level):
                if level or not _allowed(module or ""):
                    yield f"from {'.' * level}{module} import"
                elif module == "pathlib":
                    yield from (it.name for it in names if it.name not in PATHLIB_NAMES)
            case ast.Name(id=name) if name in IMPURE_NAMES:
                yield name
            case ast.Attribute(attr=name) if name in IMPURE_ATTRIBUTES:
                yield f".{name}"
            case ast.Global() | ast.AsyncFunctionDef() | ast.Await():
                yield type(node).__name__.lower()
            case _:
                pass


def _allowed(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in DOMAIN_IMPORTS)


@pytest.mark.parametrize("path", sorted(DOMAIN.glob("**/*.py")), ids=lambda path: path.stem)
def test_the_domain_is_pure(path: Path) -> None:
    """No clock, file, network, logging, chance or process in what decides."""
    assert list(impurities(parse(path))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import os",
        "import time",
        "import random",
        "import logging",
        "import socket",
        "import structlog",
        "import subprocess",
        "from pathlib import Path",
        "import pathlib",
        "import koprogo_agent.ports",
        "from koprogo_agent import logs",
        "from . import versions",
        "open('x')",
        "read = open",
        "print(1)",
        "eval('1')",
        "def f():\n    __import__('os')",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime\nclock = datetime.now",
        "from datetime import date\ndate.today()",
        "seen = 0\ndef f():\n    global seen",
        "async def f(): ...",
    ],
)
def test_the_purity_test_sees_each_way_out(code: str) -> None:
    """A guard that never barks guards nothing."""
    assert list(impurities(ast.parse(code)))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_fits_on_a_few_screens(path: Path) -> None:
    """Longer ones hide a second subject; split them along it."""
    lines = path.read_text().count("\n")
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno
        and node.end_lineno - node.lineno >= MAX_FUNCTION_LINES
    ]

    assert lines <= MAX_MODULE_LINES
    assert long == []


def test_a_verified_release_is_built_in_one_place() -> None:
    """What has not passed the trust rules cannot be planned: it does not type."""
    builders = [
        f"{path.relative_to(PACKAGE)}:{line}" for path in MODULES for line in _builds(parse(path))
    ]

    assert all(builder.startswith("domain/trust.py:") for builder in builders), builders


def _builds(tree: ast.Module) -> Iterator[int]:
    """Lines that make a `VerifiedRelease`, under whatever name it was imported."""
    names = {"VerifiedRelease"}
    for node in ast.walk(tree):
        if isinstance(node, ast.alias) and node.name == "VerifiedRelease" and node.asname:
            names.add(node.asname)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else ""
            name = function.id if isinstance(function, ast.Name) else name
            if name in names:
                yield node.lineno


def comments(path: Path) -> Iterator[str]:
    """The comments of a file, without what only looks like one."""
    with io.BytesIO(path.read_bytes()) as source:
        for token in tokenize.tokenize(source.readline):
            if token.type == tokenize.COMMENT:
                yield token.string


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_exception_from_a_check_names_the_check(path: Path) -> None:
    """A bare one silences faults that nobody has thought of yet."""
    bare = [
        comment
        for comment in comments(path)
        if re.search(r"#\s*(?:type:\s*ignore(?!\[)|noqa(?!:)|pragma: no cover|TODO|FIXME)", comment)
    ]

    assert bare == []


def test_the_daemons_way_does_not_meet_the_command_line() -> None:
    """All of these cost megabytes that an idle daemon must not hold; others can still have them."""
    program = (
        "import sys; from koprogo_agent.cli import run;"
        "print(sorted({'rich', 'typer', 'click', 'asyncio', 'docker'} & set(sys.modules)));"
        "import asyncio, rich.console; asyncio.run(asyncio.sleep(0))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert printed.stdout.decode().strip() == "[]"
