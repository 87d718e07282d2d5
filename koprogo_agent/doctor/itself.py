"""The agent as a product of its own: whether it can keep itself current."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from koprogo_agent import __version__
from koprogo_agent.adapters.anchor import TrustDirectory
from koprogo_agent.adapters.versions import home_of
from koprogo_agent.doctor.finding import Finding, Patient, good, warning
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.selfupdate.standing import OwnStanding, read_own_standing
from koprogo_agent.update.authority import STALE_ADVICE

_UNITS = Path("/etc/systemd/system")
_SERVICE = "koprogo-agent.service"
_SCRIPTS = Path("/usr/local/libexec/koprogo-agent")
_SHELL = ("assemble", "end-hold", "rescue")
_INSTALL = "/opt/koprogo-agent/current/install.sh"
_LOOKS_IN_VAIN = timedelta(days=2)


def itself(patient: Patient) -> Iterator[Finding]:
    """Its version, whether it can bring itself another, and what became of those that it tried."""
    own = patient.settings.agent
    if home_of(own.home) is None:
        yield good("agent", f"{__version__}; it does not run from {own.home}, and stays as it is")
        return
    if not own.update:
        yield good("agent", f"{__version__}; it stays so (agent.update is off)")
        return
    try:
        TrustDirectory(own.trust_directory).pinned()
    except NeedsOperator as error:
        said = f"{__version__}, and it cannot bring itself another: {error.message}"
        yield warning("agent", said, f"sudo {_INSTALL} --agent-root FILE")
        return
    standing = read_own_standing(patient.settings, patient.now)
    yield from _standing(patient, standing)


def _standing(patient: Patient, standing: OwnStanding | None) -> Iterator[Finding]:
    if standing is None:
        yield good("agent", f"{__version__}; it has not looked for another yet")
        return
    looked = standing.polls.succeeded
    when = f"{looked:%Y-%m-%d %H:%M} UTC" if looked else "never"
    yield good("agent", f"{__version__}; it last looked for another: {when}")
    since = standing.polls.failing_since
    if since is not None and standing.polls.failure and patient.now - since > _LOOKS_IN_VAIN:
        yield warning("agent", standing.polls.failure.message, standing.polls.failure.advice)
    if standing.stale:
        yield warning("agent", f"of its own releases: {standing.stale}", STALE_ADVICE)
    for one in standing.put_aside:
        said = f"{one.tag} of the agent cannot be used here: {one.message}"
        yield warning("agent", said, "nothing here: it is not tried again; tell the association")


def units(patient: Patient) -> Iterator[Finding]:  # noqa: ARG001 - the contract of a check
    """What systemd has of the agent is what its version brings; it may not write there itself."""
    shipped = Path(sys.prefix) / "systemd"
    if not (_UNITS / _SERVICE).exists():
        return  # it is started here in another way
    mend = f"bring it up to date: sudo {_INSTALL}"
    placed = [(one, _UNITS / one.name) for one in sorted(shipped.glob("koprogo-agent*"))]
    placed += [(shipped / name, _SCRIPTS / name) for name in _SHELL]
    for one, place in placed:
        if not one.exists():
            continue
        if not place.exists():
            yield warning("units", f"{place} is not there; this version brings it", mend)
        elif place.read_bytes() != one.read_bytes():
            yield warning("units", f"{place} is of another version of the agent", mend)
    if shutil.which("docker") is None:
        said = "there is no program docker: a hold that outlives the agent is ended by it"
        yield warning("units", said, "install it: docker-ce-cli, or docker-cli of Debian")
