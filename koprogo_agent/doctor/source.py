"""Where releases come from, and whose are trusted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from koprogo_agent import process
from koprogo_agent.adapters.signatures.directory import read_keys
from koprogo_agent.doctor.finding import Finding, Patient, fault, good, warning
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.update.releases import offers

_SECONDS = 10.0
_PROGRAMS = {"git": "--version", "ssh-keygen": "-?", "gpgv": "--version"}


def programs(patient: Patient) -> Iterator[Finding]:
    """git, and what checks the signatures of the keys that are trusted here."""
    wanted = ["git"]
    with suppress(NeedsOperator):  # the keys are another check's
        trusted = read_keys(patient.settings.trust.directory)
        wanted += ["ssh-keygen"] * bool(trusted.ssh) + ["gpgv"] * bool(trusted.pinned)
    for name in wanted:
        try:
            done = process.run((name, _PROGRAMS[name]), env=os.environ, timeout=_SECONDS)
        except NeedsOperator as error:
            yield fault(name, error.message, error.advice)
            continue
        printed = done.stdout.decode(errors="replace").strip().split("\n")[0]
        yield good(name, printed or "is there")


def keys(patient: Patient) -> Iterator[Finding]:
    """The trust directory holds keys, and nobody else may change it."""
    found = read_keys(patient.settings.trust.directory)
    names = [f"{key.name} (SSH)" for key in found.ssh]
    names += [f"{name} (GPG)" for name in found.pinned.values()]
    revoked = len(found.revoked_ssh) + len(found.revoked_gpg)
    said = f"{', '.join(names)}{f'; {revoked} revoked' if revoked else ''}"
    yield good("trusted keys", f"{said}, in {patient.settings.trust.directory}")


def source(patient: Patient) -> Iterator[Finding]:
    """The source answers, and has releases."""
    url = patient.settings.source.url
    refs = patient.world.source.list_tags()
    found = offers(refs)
    if found:
        yield good("source", f"{url}: {len(found)} releases, newest {found[0].ref.name}")
    else:
        said = f"{url} has {len(refs)} tags, and none is a release"
        yield warning("source", said, "check source.url in the configuration")
