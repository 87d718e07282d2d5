"""Programs of this machine, gathered with all that they need to run in an otherwise empty image."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from tests.lab.oci import Tree
from tests.lab.processes import LabError, run

MERGED = {"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64"}
POSTGRES_UID = 999
STAYS_WELL = Path(__file__).parent / "templates/stays-well.sh"
"""What the stack's healthchecks are run by."""
STDLIB_UNUSED = frozenset(
    {
        "test",
        "tests",
        "idlelib",
        "tkinter",
        "turtledemo",
        "ensurepip",
        "lib2to3",
        "distutils",
        "pydoc_data",
        "site-packages",
        "dist-packages",
        "__phello__",
        "unittest",
    }
)

DRIVER_PARTS = ("psycopg", "psycopg_binary", "psycopg_binary.libs", "typing_extensions.py")


def system(tree: Tree) -> None:
    """The ground of every image: merged /usr, users, name resolution, a shell and its tools."""
    for link, target in MERGED.items():
        tree.links[link] = target
    for folder in ("/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/etc", "/run"):
        tree.folders[folder] = (0o755, 0)
    tree.folders["/var"] = (0o755, 0)
    tree.folders["/tmp"] = (0o1777, 0)  # noqa: S108 - a folder in an image
    tree.links["/var/run"] = "../run"
    tree.write(
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\n"
        f"postgres:x:{POSTGRES_UID}:{POSTGRES_UID}::/var/lib/postgresql:/bin/sh\n",
    )
    tree.write("/etc/group", f"root:x:0:\npostgres:x:{POSTGRES_UID}:\n")
    tree.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    tree.write("/usr/bin/stays-well", STAYS_WELL.read_text(), 0o755)
    busybox = shutil.which("busybox")
    if busybox is None:
        raise LabError("there is no busybox: install busybox-static")
    tree.hosts["/usr/bin/busybox"] = Path(busybox).resolve()
    _libraries(tree, [Path(busybox)])
    for applet in run([busybox, "--list"]).decode().split():
        if applet != "busybox":
            tree.links[f"/usr/bin/{applet}"] = "busybox"


def program(tree: Tree, *names: str) -> None:
    """Add executables of this machine, by path, with the shared libraries that they load."""
    for name in names:
        _add(tree, Path(name))
    _libraries(tree, [Path(name) for name in names])


def folder(tree: Tree, root: Path, unwanted: frozenset[str] = frozenset()) -> None:
    """Add a folder of this machine, less what is named so, with its libraries' libraries."""
    files = [
        path
        for path in root.rglob("*")
        if path.is_file() and not unwanted.intersection(path.relative_to(root).parts)
    ]
    for path in files:
        _add(tree, path)
    _libraries(tree, [path for path in files if ".so" in path.suffixes])


def python(tree: Tree) -> str:
    """The Python that runs the lab, its standard library and a PostgreSQL driver; its path."""
    executable = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    program(tree, str(executable))
    folder(tree, Path(sysconfig.get_path("stdlib")), STDLIB_UNUSED)
    packages = Path(sysconfig.get_path("purelib"))
    for part in DRIVER_PARTS:
        place = packages / part
        if not place.exists():
            raise LabError(f"{place} is not there: install psycopg[binary]")
        files = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
        for path in files:
            tree.hosts[f"/app/packages/{path.relative_to(packages)}"] = path
        _libraries(tree, [path for path in files if ".so" in path.suffixes], bundled=packages)
    return str(executable)


def _add(tree: Tree, path: Path) -> None:
    """One file under its own name, in the real folder that holds it, links followed."""
    tree.hosts[str(path.parent.resolve() / path.name)] = path.resolve()
    tree.links.pop(str(path.parent.resolve() / path.name), None)


def _libraries(tree: Tree, binaries: Iterable[Path], bundled: Path | None = None) -> None:
    """Add the shared libraries of `binaries`, less those that lie below `bundled`.

    ldd fails on a static program, and says so on standard error only.
    """
    wanted = [str(binary) for binary in binaries]
    if not wanted:
        return
    listed = subprocess.run(["ldd", *wanted], capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        if "not found" in line:
            raise LabError(f"ldd says: {line.strip()}")
        words = line.split()
        place = words[2] if "=>" in words else words[0] if words else ""
        if not place.startswith("/") or place.endswith(":"):
            continue
        if bundled is None or not Path(place).resolve().is_relative_to(bundled.resolve()):
            _add(tree, Path(place))
