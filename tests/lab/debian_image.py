"""What the bare machines are made from: debootstrap's work, kept below the cache root."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import APIError, ImageNotFound

from tests.lab.engine import Engine, cache_root
from tests.lab.processes import LabError, run

if TYPE_CHECKING:
    from docker import DockerClient

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "ca-certificates"),
    *("python3", "python3-venv", "git", "openssh-client", "gpgv"),
)
"""systemd, and what the agent needs: all that this machine can do without a network."""


@dataclass(frozen=True)
class Suite:
    """A release of Debian, or of Ubuntu.

    Attributes:
        python: the one that the agent takes there.
        options: of debootstrap, that say where it comes from.
        words: the same, behind the folder: mirror and script.
        updates: packages that came into it later.
    """

    python: str
    options: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()


_UBUNTU = (
    ("--components=main,universe", "--keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg"),
    ("http://archive.ubuntu.com/ubuntu", "/usr/share/debootstrap/scripts/gutsy"),
)
SUITES = {
    "bookworm": Suite("3.11"),
    "trixie": Suite("3.13"),
    "jammy": Suite("3.11", *_UBUNTU, updates=("python3.11", "python3.11-venv")),
    "noble": Suite("3.12", *_UBUNTU),
}
"""Those that install.sh knows: Debian 12 and 13, Ubuntu 22.04 and 24.04."""
NAME = "koprogo-lab-debian"
MAKE_SECONDS = 600.0
_LEFT_OUT = (
    *("./usr/share/doc/*", "./usr/share/info/*", "./usr/share/locale/*", "./usr/share/man/*"),
    *("./var/cache/apt/*", "./var/lib/apt/lists/*"),
)
"""What no test reads, and is nearly half of it."""
_UPDATE = """
root=$1
shift
mount -t proc proc "$root/proc"
sed "s/ $0 / $0-updates /" "$root/etc/apt/sources.list" >"$root/etc/apt/sources.list.d/updates.list"
chroot "$root" apt-get update -qq
DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -qq -y --no-install-recommends "$@"
"""
"""`sh -ec … SUITE ROOT PACKAGE…`"""
_RECIPE = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
"""What is kept was made as this file says now, or is made anew."""


@contextmanager
def bare(engine: Engine, suite: str) -> Iterator[str]:
    """The image's name on the engine, which holds while a machine is made from it.

    One of the lab's own engines keeps it, because the import is as slow as a boot.
    """
    with _alone(), closing(engine.client()) as client:
        if not _is_there(client, suite):
            recipe = [f"LABEL recipe={_RECIPE}"]
            client.api.import_image(str(_tar(suite)), NAME, suite, changes=recipe)
        yield f"{NAME}:{suite}"


def forget(engine: Engine, suite: str) -> None:
    """Leave an engine that is not the lab's own as it was, once no machine is left on it."""
    if not engine.owned:
        with _alone(), closing(engine.client()) as client, suppress(APIError):
            client.images.remove(f"{NAME}:{suite}")


@contextmanager
def _alone() -> Iterator[None]:
    """Others who test on this machine make the same image, or take it away."""
    place = cache_root() / "debian"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_there(client: DockerClient, suite: str) -> bool:
    try:
        return bool(client.images.get(f"{NAME}:{suite}").labels.get("recipe") == _RECIPE)
    except ImageNotFound:
        return False


def _tar(suite: str) -> Path:
    place = cache_root() / "debian"
    tar = place / f"{suite}-{_RECIPE}.tar"
    if not tar.exists():
        for old in place.glob(f"{suite}-*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        _make(suite, tar)
    return tar


def _make(suite: str, tar: Path) -> None:
    debootstrap = shutil.which("debootstrap", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if debootstrap is None:
        raise LabError("there is no debootstrap: install debootstrap")
    root, partial = tar.with_suffix(".root"), tar.with_suffix(".partial")
    settings = root / "etc/dpkg/dpkg.cfg.d"
    settings.mkdir(parents=True)
    # What is cut short is made anew, so no file need have reached the disk before the next.
    (settings / "unsafe").write_text("force-unsafe-io\n")
    release = SUITES[suite]
    include = f"--include={','.join(PACKAGES)}"
    options = ("--force-check-gpg", "--variant=minbase", include, *release.options)
    # What it mounts there goes with its own namespace, even if it is killed.
    apart = ("unshare", "--mount", "--")
    run((*apart, debootstrap, *options, suite, str(root), *release.words), seconds=MAKE_SECONDS)
    if release.updates:
        run(
            (*apart, "sh", "-ec", _UPDATE, suite, str(root), *release.updates), seconds=MAKE_SECONDS
        )
    (settings / "unsafe").unlink()
    # systemd gives each machine an identity of its own when it first boots.
    (root / "etc/machine-id").write_bytes(b"")
    (root / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    excludes = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
    run(("tar", "-C", str(root), *excludes, "-cf", str(partial), "."), seconds=MAKE_SECONDS)
    partial.replace(tar)
    shutil.rmtree(root)
