"""The machine: clock, configuration, folders and who may write to them, disks, Docker engine."""

from __future__ import annotations

import grp
import http.client
import os
import pwd
import ssl
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import koprogo_agent
from koprogo_agent import docker_api, places, process
from koprogo_agent.adapters.compose import commands
from koprogo_agent.doctor.finding import Finding, Patient, fault, good, warning
from koprogo_agent.domain.chain import CLOCK_SKEW
from koprogo_agent.domain.proxy import Proxy
from koprogo_agent.errors import AgentError
from koprogo_agent.settings import MIGRATE, find_older

_SECONDS = 10.0
_TIGHT = 2 * 10**9
_FULL = 256 * 2**20
_GIGA = 1e9
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def clock(patient: Patient) -> Iterator[Finding]:
    """Compares this machine's clock with the git server's: trust in releases depends on it."""
    advice = "set it: timedatectl set-ntp true; then look: timedatectl"
    installed = datetime.fromtimestamp(
        Path(koprogo_agent.__file__).stat().st_mtime, tz=patient.now.tzinfo
    )
    if patient.now < installed - timedelta(days=1):
        said = f"{patient.now:%Y-%m-%d %H:%M} is before this agent was installed"
        yield fault("clock", f"{said} ({installed:%Y-%m-%d})", advice)
        return
    url = patient.settings.source.url
    told = _date_of(url, patient.settings.network.rules.proxy_for(url))
    if told is None:
        yield good("clock", "the source tells no time to compare it with")
        return
    off = (patient.now - told).total_seconds()
    if abs(off) > CLOCK_SKEW.total_seconds():
        way = "ahead of" if off > 0 else "behind"
        days = f" ({abs(off) / 86400:.0f} days)" if abs(off) > 2 * 86400 else ""
        yield fault("clock", f"{abs(off) / 60:.0f} min{days} {way} the git server's", advice)
    else:
        yield good("clock", f"{abs(off):.0f} s from the git server's")


def _date_of(url: str, proxy: Proxy | None) -> datetime | None:
    """The time by a web server, or None.

    Its certificate is not looked at: with a wrong clock none would be valid, and what a liar could
    gain here is a false alarm.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    host, port = (proxy.host, proxy.port) if proxy else (parts.hostname, parts.port)
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=context)
    if proxy:
        connection.set_tunnel(parts.hostname, parts.port, proxy.headers)
    try:
        with closing(connection):
            connection.request("HEAD", parts.path or "/")
            date = connection.getresponse().headers.get("Date", "")
        return parsedate_to_datetime(date)
    except (OSError, http.client.HTTPException, ValueError):
        return None  # whether the source can be reached at all is another check's


def configuration(patient: Patient) -> Iterator[Finding]:
    """The configuration is written as this version writes it; what is not is read all the same."""
    for edit in find_older(patient.config):
        yield warning("configuration", edit.said, places.command(patient.config, MIGRATE))


def folders(patient: Patient) -> Iterator[Finding]:
    """The agent's folders and files belong to it, and others can neither write nor read them."""
    settings = patient.settings
    yield from _guarded(patient.config, "configuration", secret=bool(settings.secrets))
    yield from _guarded(settings.state.directory, "state", secret=True)
    yield from _guarded(settings.backup.directory, "backups", secret=True)


def _guarded(path: Path, what: str, *, secret: bool) -> Iterator[Finding]:
    try:
        status = path.stat()
    except FileNotFoundError:
        yield warning(what, f"{path} is not there yet", "the agent makes it when it first runs")
        return
    close = f"chmod 700 {path}" if path.is_dir() else _close(path)
    if status.st_uid not in {0, os.geteuid()}:
        yield fault(what, f"{path} belongs to another user", _take(path))
    elif status.st_mode & _OTHERS_WRITE:
        yield fault(what, f"others may write to {path}", close)
    elif secret and status.st_mode & _others_read(status):
        yield warning(what, f"others may read {path}", close)
    else:
        yield good(what, str(path))


def _take(path: Path) -> str:
    """How a file or folder becomes the agent's, such as one that came from another machine."""
    owner = "root" if path.is_file() else pwd.getpwuid(os.geteuid()).pw_name
    return f"chown -R {owner}: {path}" if path.is_dir() else f"chown {owner} {path}"


def _close(path: Path) -> str:
    """How a file is kept from others, while the agent goes on reading it."""
    if os.geteuid() == 0:
        return f"chmod 600 {path}"
    group = grp.getgrgid(os.getegid()).gr_name
    return f"chown root:{group} {path}; chmod 640 {path}"


def _others_read(status: os.stat_result) -> int:
    """By its own group the agent reads what only root may write: that is nobody else."""
    return stat.S_IRWXO if status.st_gid == os.getegid() else stat.S_IRWXG | stat.S_IRWXO


def disk(patient: Patient) -> Iterator[Finding]:
    """Room for the next update, on every file system that it writes to."""
    settings, files = patient.settings, patient.world.files
    places = [settings.state.directory, settings.backup.directory]
    with suppress(AgentError):  # the engine is another check's
        places.append(patient.world.images.root())
    seen = set()
    for place in places:
        present = next(path for path in (place, *place.parents) if path.exists())
        device, free = present.stat().st_dev, files.free_bytes(present)
        if device in seen:
            continue
        seen.add(device)
        said = f"{free / _GIGA:.1f} GB free at {place}"
        advice = f"free some; what takes it: du -xh {place} | sort -h, docker system df"
        if free < _FULL:
            yield fault("disk", said, advice)
        elif free < _TIGHT:
            yield warning("disk", said, advice)
        else:
            yield good("disk", said)


def engine(patient: Patient) -> Iterator[Finding]:
    """The Docker engine answers."""
    told = docker_api.read(patient.host, "/version")
    yield good("docker", f"engine {told['Version']}, API {told['ApiVersion']}, {patient.host}")


def compose(patient: Patient) -> Iterator[Finding]:  # noqa: ARG001 - the contract of a check
    """A Compose of our time is there."""
    old = []
    for program in commands.PROGRAMS:
        try:
            env = commands.passed_on(os.environ)
            done = process.run(commands.version(program), env=env, timeout=_SECONDS)
        except (AgentError, process.Overrun):
            continue
        printed = done.stdout.decode(errors="replace").strip()
        major = commands.major(printed) if not done.returncode else None
        if major is not None and major >= commands.OLDEST_MAJOR:
            yield good("compose", f"{' '.join(program)} {printed}")
            return
        old += [f"{' '.join(program)} {printed}"] if major is not None else []
    found = f"only {', '.join(old)}" if old else "there is none"
    mend = "install Compose 2 or later: apt-get install docker-compose-plugin"
    yield fault("compose", found, mend)
