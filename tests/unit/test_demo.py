"""`koprogo-agent demo` runs from an installed wheel: what is in it, and what it can do without."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from tests.demo import lacking
from tests.demo.drawing import what_stays

ROOT = Path(__file__).parents[2]
HATCH = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
WHEEL = HATCH["wheel"]["force-include"]
SDIST = HATCH["sdist"]["include"]
HOME = "koprogo_agent/_demo/"


def demo_files() -> set[str]:
    """The files of the demo, and those of `tests` that it imports, by paths from the root."""
    found: set[str] = set()
    left = [path.relative_to(ROOT) for path in (ROOT / "tests/demo").glob("*.py")]
    while left:
        path = left.pop()
        if str(path) not in found:
            found.add(str(path))
            left.extend(imported(ROOT / path))
    return found


def imported(path: Path) -> Iterator[Path]:
    """The files of `tests` that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests."):
            module = Path((node.module or "").replace(".", "/"))
            for one in (module, *(module / name.name for name in node.names)):
                for file in (one.with_suffix(".py"), one / "__init__.py"):
                    if (ROOT / file).is_file():
                        yield file


def holds(sources: list[str], file: str) -> bool:
    """Whether a file is named, or lies in a folder that is."""
    return any(Path(file).is_relative_to(source) for source in sources)


def test_imports_are_followed() -> None:
    """Or the tests below would look at nothing."""
    assert {"tests/lab/lab.py", "tests/instance.py", "tests/fleet/servers.py"} <= demo_files()


@pytest.mark.parametrize("sources", [list(WHEEL), SDIST], ids=["wheel", "sdist"])
def test_whatever_the_demo_imports_is_shipped(sources: list[str]) -> None:
    """A file that is forgotten here shows on nobody's machine but a user's."""
    assert [file for file in sorted(demo_files()) if not holds(sources, file)] == []


def test_it_is_shipped_under_its_own_name() -> None:
    """Where Python looks for it."""
    places = {source: target for source, target in WHEEL.items() if source.startswith("tests/")}
    del places["tests/demo/__init__.py"]
    assert places == {source: f"{HOME}{source}" for source in places}


def test_nothing_is_left_out_where_all_is_there() -> None:
    """As here, where the tests of the dashboard run."""
    assert (lacking.no_dashboard(), lacking.no_pictures()) == ("", "")


def test_what_is_left_out_for_want_of_packages_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an installation without the extra; what is there is not asked for again."""

    def version(name: str) -> str:
        if name == "starlette":
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(lacking, "version", version)
    said = lacking.no_dashboard()
    assert "-m pip install" in said
    assert "starlette" in said
    assert "uvicorn" not in said


def test_without_a_browser_there_are_no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dashboard is there all the same."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "apt-get install chromium" in lacking.no_pictures()
    assert lacking.no_dashboard() == ""


def test_pictures_show_what_a_terminal_shows_in_the_end() -> None:
    """Signs of progress are replaced by what became of it; colours stay."""
    recording = "\x1b[?25l\r\x1b[2K\x1b[36m\u280b\x1b[0m stage\r\x1b[2K\x1b[32m✓\x1b[0m stage\r\n"
    turning = "\r\x1b[2K\x1b[36m\u280b\x1b[0m pull\r\n"
    assert what_stays(recording + turning) == ["\x1b[32m✓\x1b[0m stage", ""]
