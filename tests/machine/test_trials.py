"""Versions of the agent that are put on trial, on a real systemd: bad ones, and a good one."""

from __future__ import annotations

import pytest

from tests.lab.agent import Fault
from tests.machine.installing import status
from tests.machine.site import FIRST, Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

BAD = (
    Fault.SYNTAX_IN_THE_DAEMON,
    Fault.DAEMON_HANGS_AT_IMPORT,
    Fault.CRASHES_LATER,
    Fault.HANGS_AFTER_READY,
)


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_version_gives_way_with_no_hand_on_it(site: Site, fault: Fault) -> None:
    """The old one serves again within two minutes, and the bad one is not tried again."""
    site.gives_way(f"0.2.{BAD.index(fault)}", fault, "agent.trial")


def test_a_good_version_is_blessed(site: Site) -> None:
    """After all those; the one before is kept, and people can see what runs."""
    site.brings("0.3.0")
    assert site.events("agent.updated", version="0.3.0") == 1
    assert site.versions == {FIRST, "0.3.0"}
    own = status(site.machine)["agent"]
    assert isinstance(own, dict)
    assert (own["version"], len(own["quarantined"])) == ("0.3.0", len(BAD))
