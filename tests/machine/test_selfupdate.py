"""Versions of the agent that are found out before they run, on a real systemd."""

from __future__ import annotations

import pytest

from tests.lab.agent import Fault
from tests.machine.site import Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

UNFIT = {
    Fault.SYNTAX: "agent.unfit",
    Fault.REQUIREMENT: "agent.unfit",
    Fault.UNLOCKED: "agent.assemble",
    Fault.HANGS_AT_IMPORT: "agent.unfit",
}
"""What is wrong, and what it is called."""


@pytest.mark.parametrize("fault", UNFIT)
def test_an_unfit_version_never_runs(site: Site, fault: Fault) -> None:
    """The one that runs goes on throughout, and does not try that one again."""
    version = f"0.2.{list(UNFIT).index(fault)}"
    site.gives_way(version, fault, UNFIT[fault])
    assert not site.logged("agent.update.on_trial", version=version)
