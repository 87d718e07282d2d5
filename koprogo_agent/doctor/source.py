"""Where releases come from, and whose are trusted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, suppress

from koprogo_agent import process
from koprogo_agent.doctor.finding import Finding, Patient, fault, good, warning
from koprogo_agent.domain.armour import Kind
from koprogo_agent.domain.root import RoleName, Root, read_root
from koprogo_agent.errors import AgentError, NeedsOperator
from koprogo_agent.update.authority import STALE_ADVICE
from koprogo_agent.update.reading import JournalToRead
from koprogo_agent.update.releases import offers
from koprogo_agent.update.trust_stand import TrustStand, quorum, read_trust_stand

_SECONDS = 10.0
_PROGRAMS = {"git": "--version", "ssh-keygen": "-?", "gpgv": "--version"}


def programs(patient: Patient) -> Iterator[Finding]:
    """git, and what checks the signatures of the keys that are trusted here."""
    wanted = ["git"]
    with suppress(AgentError):  # the keys are another check's
        kinds = {key.kind for key in _root(patient).keys}
        wanted += ["ssh-keygen"] * (Kind.SSH in kinds) + ["gpgv"] * (Kind.GPG in kinds)
    for name in wanted:
        try:
            done = process.run((name, _PROGRAMS[name]), env=os.environ, timeout=_SECONDS)
        except NeedsOperator as error:
            yield fault(name, error.message, error.advice)
            continue
        printed = done.stdout.decode(errors="replace").strip().split("\n")[0]
        yield good(name, printed or "is there")


def trust(patient: Patient) -> Iterator[Finding]:
    """There is a trust root that nobody else may change, and somebody vouches for what is seen."""
    pinned, revoked = _root(patient), patient.world.anchor.revoked()
    without = f"; {len(revoked)} keys revoked here" if revoked else ""
    yield good(
        "trust root",
        f"version {pinned.version}, sha256 {pinned.envelope.sha256}; a release is signed by"
        f" {quorum(pinned, RoleName.RELEASE)}{without}",
    )
    stand = _stand(patient)
    if stand is None:
        return
    for warned in stand.warnings:
        yield warning("trust", warned, "this is for the association to decide; ask them")
    for what, one in stand.refused.items():
        yield warning("trust", f"{what}: {one.message}", "tell the association")
    if stand.stale:
        yield fault("freshness", stand.stale, STALE_ADVICE)
    elif stand.freshness:
        yield good("freshness", f"until {stand.freshness.expires:%Y-%m-%d %H:%M} UTC")
    if stand.yanked:
        yield warning(
            "yanked", f"what runs was taken back: {stand.yanked}", "koprogo-agent rollback"
        )


def _root(patient: Patient) -> Root:
    return read_root(patient.world.anchor.pinned())


def _stand(patient: Patient) -> TrustStand | None:
    try:
        with closing(JournalToRead(patient.journal)) as journal:
            return read_trust_stand(journal, patient.settings, patient.now)
    except NeedsOperator:
        return None  # there is none, or it cannot be read, of which another check tells


def source(patient: Patient) -> Iterator[Finding]:
    """The source answers, and has releases."""
    url = patient.settings.source.url
    refs = patient.world.source.list_refs().tags
    found = offers(refs)
    proxy = patient.settings.network.rules.proxy_for(url)
    through = f", through the proxy {proxy.address}" if proxy else ""
    if found:
        said = f"{url}: {len(found)} releases, newest {found[0].ref.name}{through}"
        yield good("source", said)
    else:
        said = f"{url} has {len(refs)} tags, and none is a release"
        yield warning("source", said, "check source.url in the configuration")
