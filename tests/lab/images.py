"""The images of the sample stack, made from this machine's Debian packages."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from tests.lab import runtime
from tests.lab.oci import Image, Layer, Settings, Tree

HERE = Path(__file__).parent
POSTGRES_PROGRAMS = (
    *("postgres", "initdb", "pg_ctl", "psql", "pg_isready"),
    *("pg_dump", "pg_dumpall", "pg_restore", "createdb", "dropdb", "vacuumdb"),
)
UNUSED_IN_POSTGRES = frozenset(
    {"bitcode", "pgxs", "llvmjit.so", "llvmjit_types.bc", "man", "locale"}
)
ZONES = ("Europe", "Etc", "UTC", "GMT")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@cache
def postgres() -> Image:
    """PostgreSQL that takes the environment and arguments of the official image.

    15 where Debian has it; otherwise the newest on this machine.
    """
    home = max(Path("/usr/lib/postgresql").glob("*/bin/postgres")).parents[1]
    tree = Tree()
    runtime.system(tree)
    runtime.program(tree, "/usr/bin/setpriv", *(f"{home}/bin/{name}" for name in POSTGRES_PROGRAMS))
    runtime.folder(tree, home / "lib", UNUSED_IN_POSTGRES)
    runtime.folder(tree, Path("/usr/share/postgresql") / home.name, frozenset({"man", "locale"}))
    runtime.folder(tree, Path("/usr/lib/locale/C.utf8"))
    for zone in ZONES:
        place = Path("/usr/share/zoneinfo") / zone
        if place.is_dir():
            runtime.folder(tree, place)
        else:
            tree.hosts[str(place)] = place.resolve()
    for path in ("/var/lib/postgresql", "/var/lib/postgresql/data", "/run/postgresql"):
        tree.folders[path] = (0o755, runtime.POSTGRES_UID)
    tree.write("/usr/bin/docker-entrypoint.sh", _text("postgres-entrypoint.sh"), 0o755)
    return Image(
        (tree.layer(),),
        Settings(
            entrypoint=("docker-entrypoint.sh",),
            command=("postgres",),
            env=(f"PATH={home}/bin:{PATH}", "PGDATA=/var/lib/postgresql/data"),
            volumes=("/var/lib/postgresql/data",),
            stop_signal="SIGINT",
        ),
    )


@cache
def ingress() -> Image:
    """HAProxy; its configuration is mounted by the stack."""
    tree = Tree()
    runtime.system(tree)
    runtime.program(tree, "/usr/sbin/haproxy")
    configuration = "/usr/local/etc/haproxy/haproxy.cfg"
    return Image(
        (tree.layer(),),
        Settings(entrypoint=("haproxy", "-W", "-db", "-f", configuration), env=(f"PATH={PATH}",)),
    )


@cache
def web() -> Image:
    """A static web server on port 8080 that ends as soon as it is asked to."""
    tree = Tree()
    runtime.system(tree)
    tree.folders["/www"] = (0o755, 0)
    tree.write("/usr/bin/serve", _text("web-entrypoint.sh"), 0o755)
    return Image((tree.layer(),), Settings(entrypoint=("serve",), env=(f"PATH={PATH}",)))


def frontend(version: str) -> Image:
    """The frontend of one version: a page that shows it."""
    tree = Tree()
    tree.write("/www/index.html", f"<!doctype html><title>KoproGo</title>KoproGo {version}\n")
    tree.write("/www/version.txt", f"{version}\n")
    tree.write("/www/health", "ok\n")
    return _above(web(), tree)


@cache
def storage() -> Image:
    """The storage stand-in: something that answers on port 8080 and keeps a volume."""
    tree = Tree()
    tree.write("/www/health/live", "ok\n")
    tree.folders["/data"] = (0o755, 0)
    return _above(web(), tree)


@cache
def _backend_base() -> tuple[Layer, str]:
    tree = Tree()
    runtime.system(tree)
    executable = runtime.python(tree)
    for source in sorted((HERE / "backend").glob("*.py")):
        tree.write(f"/app/{source.relative_to(HERE)}", source.read_bytes())
    return tree.layer(), executable


def backend_base() -> Image:
    """The part that all versions of the backend share."""
    layer, executable = _backend_base()
    return Image((layer,), Settings(entrypoint=(executable,)))


def backend(files: dict[str, bytes], version: str, ballast: bytes = b"") -> Image:
    """The backend of one version: `files` are what is baked in below /app/release.

    `ballast` are bytes that only make the image bigger, for measuring pulls.
    """
    base, executable = _backend_base()
    tree = Tree()
    for path, data in files.items():
        tree.write(f"/app/release/{path}", data)
    if ballast:
        tree.write("/app/ballast", ballast)
    settings = Settings(
        # -S: nothing of the machine that made the image is looked for.
        entrypoint=(executable, "-S", "-m", "backend"),
        command=("start",),
        env=(f"PATH={PATH}", "PYTHONPATH=/app:/app/packages", "PYTHONUNBUFFERED=1"),
        workdir="/app",
    )
    return _labelled(Image((base, tree.layer()), settings), version)


def _above(base: Image, tree: Tree) -> Image:
    return Image((*base.layers, tree.layer()), base.settings)


def _labelled(image: Image, version: str) -> Image:
    labels = (("org.opencontainers.image.version", version),)
    return replace(image, settings=replace(image.settings, labels=labels))


def _text(name: str) -> str:
    return (HERE / "templates" / name).read_text()
