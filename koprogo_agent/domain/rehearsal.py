"""The scratch project in which a release is rehearsed: production minus its users.

A pure function from the rendered compose model. What the writers depend on comes along,
transitively, and so do the one-shots that prepare it (KoproGo's backend exits where nobody has
made its bucket). All of it runs on one network without a way out, on fresh volumes, under the names
by which services know each other. What is not listed here does not come along: ports, container
names, labels (a proxy routes by labels), devices, privileges, restarts, hosts, loggers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from koprogo_agent.domain.overlay import Model, is_one_shot, levels, needs, services
from koprogo_agent.domain.relocation import escaped
from koprogo_agent.domain.scratch_files import Entry, FileRules, HostPaths, ReleaseFiles

REHEARSAL_LABEL = "be.koprogo.agent.rehearsal"

_NETWORK = "scratch"
_SAME = (
    *("image", "environment", "command", "entrypoint", "user", "group_add", "working_dir"),
    *("hostname", "init", "read_only", "tmpfs", "shm_size", "ulimits", "sysctls", "pids_limit"),
    *("cap_drop", "mem_limit", "stop_grace_period", "stop_signal", "configs", "secrets"),
)
"""Keys of a service that mean the same in the scratch project."""

_CAPABILITIES = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_RAW"),
        *("NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
        *("IPC_LOCK", "SYS_NICE"),
    }
)
"""Capabilities that a service may ask for: the engine's default set, and two that lead nowhere."""

_SHARED = "service:"
_CHECK_SECONDS = 1.0
_DEFAULT_INTERVAL = 30.0
_DEFAULT_RETRIES = 3
_DURATION = re.compile(r"([0-9.]+)(h|ms|us|µs|ns|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True)
class RehearsalTerms:
    """What a rehearsal depends on, besides the model.

    Attributes:
        database: service whose data is restored from the backup.
        writers: services that are rehearsed.
        migration: service that migrates by itself and ends, or None.
        leave_out: services that do not come along.
        environment: values that writers and migration get in the rehearsal only.
        release: where the release's files lie.
        host: what the sources of bind mounts are on this machine.
    """

    database: str
    writers: tuple[str, ...]
    release: ReleaseFiles
    migration: str | None = None
    leave_out: frozenset[str] = frozenset()
    environment: Mapping[str, str] = field(default_factory=dict)
    host: HostPaths = field(default_factory=HostPaths)


@dataclass(frozen=True)
class ScratchModel:
    """A scratch project, and the order in which it comes up.

    Attributes:
        document: the compose file.
        before: services to start before the migration, level by level.
        after: the same between the migration and the writers.
        writers: the writers, and what depends on them and comes along all the same.
        one_shots: services that end by themselves.
        awaited: those of them that others need to have ended.
    """

    document: dict[str, Any]
    before: tuple[tuple[str, ...], ...]
    after: tuple[tuple[str, ...], ...]
    writers: tuple[str, ...]
    one_shots: frozenset[str]
    awaited: frozenset[str]

    @property
    def running(self) -> frozenset[str]:
        """The services that must run in the end."""
        levelled = [name for level in (*self.before, *self.after) for name in level]
        return frozenset((*levelled, *self.writers)) - self.one_shots


def scratch_model(model: Model, terms: RehearsalTerms) -> ScratchModel:
    """The scratch project in which a release is rehearsed.

    Args:
        model: the rendered compose model, with the images that are to run.
        terms: what else it depends on.
    """
    known = services(model)
    cast = _cast(known, terms)
    migration = [terms.migration] if terms.migration else []
    others = [name for name in cast if name not in {*terms.writers, *migration}]
    late = [name for name in others if _depends_on(known, name, terms.writers)]
    early = [name for name in others if name not in late]
    after = [name for name in early if _depends_on(known, name, migration)]
    before = [name for name in early if name not in after]
    awaited = _awaited(known, cast)
    shots = {name for name in others if name in awaited or is_one_shot(known[name])}
    return ScratchModel(
        document=_document(model, cast, terms),
        before=tuple(levels(model, before)),
        after=tuple(levels(model, after)),
        writers=(*terms.writers, *late),
        one_shots=frozenset(shots),
        awaited=frozenset(shots) & awaited,
    )


def _cast(known: Model, terms: RehearsalTerms) -> tuple[str, ...]:
    """What comes along: all that the writers need, and the one-shots that prepare it."""
    migration = (terms.migration,) if terms.migration else ()
    roots = (terms.database, *migration, *terms.writers)
    found = dict.fromkeys(roots)
    waiting = list(roots)
    while waiting:
        more = sorted(needs(known[waiting.pop()]) - found.keys() - terms.leave_out)
        more = [name for name in more if name in known]
        found |= dict.fromkeys(more)
        waiting += more
    while shots := _bootstraps(known, found, terms):
        found |= dict.fromkeys(shots)
    return tuple(found)


def _bootstraps(known: Model, found: Iterable[str], terms: RehearsalTerms) -> list[str]:
    """One-shots all of whose dependencies come along and start before the writers."""
    here = set(found)
    return [
        name
        for name, one in known.items()
        if name not in here | terms.leave_out
        and is_one_shot(one)
        and needs(one)
        and needs(one) <= here
        and not _depends_on(known, name, terms.writers)
    ]


def _depends_on(known: Model, name: str, others: Iterable[str]) -> bool:
    """Whether a service depends on one of the others, directly or through further services."""
    wanted, seen, waiting = set(others), {name}, [name]
    while waiting:
        more = needs(known[waiting.pop()]) & known.keys()
        if more & wanted:
            return True
        waiting += more - seen
        seen |= more
    return False


def _awaited(known: Model, cast: Iterable[str]) -> set[str]:
    return {
        name
        for one in cast
        for name, need in known[one].get("depends_on", {}).items()
        if need.get("condition") == "service_completed_successfully"
    }


def _document(model: Model, cast: Iterable[str], terms: RehearsalTerms) -> dict[str, Any]:
    known = {name: services(model)[name] for name in cast}
    files = FileRules.of(known.values(), terms.release, terms.host)
    stores = {kind: files.stores(model, kind) for kind in ("configs", "secrets")}
    aliases = _aliases(known)
    entries = {
        name: _service(one, files, stores) | _reached(one, aliases[name], known)
        for name, one in known.items()
    }
    for name in {*terms.writers, *([terms.migration] if terms.migration else [])}:
        entries[name]["environment"] = {
            **(entries[name].get("environment") or {}),
            **terms.environment,
        }
    mounts = (mount for one in entries.values() for mount in one.get("volumes", ()))
    named = {one["source"] for one in mounts if one["type"] == "volume" and "source" in one}
    volumes: dict[str, Entry] = {name: {} for name in sorted(named)}
    return escaped(
        {
            "services": entries,
            "networks": {_NETWORK: {"internal": True}},
            **{kind: kept for kind, kept in {"volumes": volumes, **stores}.items() if kept},
        }
    )


def _service(
    service: Mapping[str, Any], files: FileRules, stores: Mapping[str, Mapping[str, Entry]]
) -> Entry:
    entry = {key: service[key] for key in _SAME if service.get(key) is not None}
    for kind, kept in stores.items():
        if kind in entry:
            entry[kind] = [use for use in entry[kind] if use.get("source") in kept]
    memory = service.get("deploy", {}).get("resources", {}).get("limits", {}).get("memory")
    capabilities = [one for one in service.get("cap_add") or () if _plain(one) in _CAPABILITIES]
    limits = [one for one in service.get("security_opt") or () if one.startswith("no-new-priv")]
    hooks = [_unprivileged(one) for one in service.get("post_start") or ()]
    found = {
        "mem_limit": memory,
        "cap_add": capabilities,
        "security_opt": limits,
        "post_start": hooks,
        "volumes": files.mounts(service),
        "healthcheck": prompt_check(service.get("healthcheck") or {}),
    }
    entry |= {key: value for key, value in found.items() if value}
    return {**entry, "restart": "no", "labels": {REHEARSAL_LABEL: "1"}}


def _plain(capability: str) -> str:
    return capability.upper().removeprefix("CAP_")


def _unprivileged(hook: Mapping[str, Any]) -> Entry:
    return {key: value for key, value in hook.items() if key != "privileged"}


def _shares_with(service: Mapping[str, Any], known: Model) -> str | None:
    """The service that comes along and in whose network namespace this one runs."""
    mode = str(service.get("network_mode") or "")
    host = mode.removeprefix(_SHARED) if mode.startswith(_SHARED) else ""
    return host if host in known else None


def _reached(service: Mapping[str, Any], aliases: list[str], known: Model) -> Entry:
    host = _shares_with(service, known)
    if host is not None:
        return {"network_mode": f"{_SHARED}{host}"}
    return {"networks": {_NETWORK: {"aliases": aliases} if aliases else {}}}


def _aliases(known: Model) -> dict[str, list[str]]:
    """The further names under which others reach each service."""
    found: dict[str, set[str]] = {name: set() for name in known}
    for name, service in known.items():
        mine = found[_shares_with(service, known) or name]
        mine |= {str(service["container_name"])} if service.get("container_name") else set()
        for network in (service.get("networks") or {}).values():
            mine |= set((network or {}).get("aliases") or ())
        for link in service.get("links") or ():
            linked, _, alias = link.partition(":")
            if linked in known and alias:
                found[linked].add(alias)
    return {name: sorted(names - {name}) for name, names in found.items()}


def prompt_check(check: Mapping[str, Any]) -> Entry:
    """A health check that comes every second, with the patience of the one given.

    The start period becomes retries: the engine may have another interval for it, which older
    engines do not know.
    """
    interval = _seconds(check.get("interval")) or _DEFAULT_INTERVAL
    if not check.get("test") or check.get("disable") or interval <= _CHECK_SECONDS:
        return dict(check)
    retries = check.get("retries") or _DEFAULT_RETRIES
    patience = _seconds(check.get("start_period")) + interval * retries
    kept = {key: check[key] for key in ("test", "timeout") if key in check}
    return kept | {"interval": f"{_CHECK_SECONDS:g}s", "retries": ceil(patience / _CHECK_SECONDS)}


def _seconds(duration: object) -> float:
    """A duration as Compose prints it, such as `1m30s`; 0 for none."""
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(f"{duration}"))
