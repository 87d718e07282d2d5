"""The power fails while the agent exchanges itself, and the system's Python goes away."""

from __future__ import annotations

import pytest

from tests.machine.installing import SERVICE, logged, status
from tests.machine.site import BROUGHT, FIRST, HOME, SERVES, TWO_MINUTES, Site

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("renewed"),
]

TRIAL = f"echo 0.3.0 {FIRST} > {HOME}/trial"
CUTS = {
    "before the switch": f"{TRIAL}; ln -sfnT versions/{FIRST} {HOME}/current",
    "after the switch": TRIAL,
    "while the rescue puts it aside": f"{TRIAL}; printf '\\n0.3.0\\n' > {HOME}/quarantined",
    "before the rescue forgets the trial": (
        f"{TRIAL}; printf '\\n0.3.0\\n' > {HOME}/quarantined;"
        f" ln -sfnT versions/{FIRST} {HOME}/current"
    ),
}
"""What lies on the disk when the power fails at a step of the switch, and which version serves."""


@pytest.fixture(scope="module")
def renewed(site: Site) -> None:
    """A second version runs, and the first one is kept."""
    site.brings("0.3.0")


@pytest.mark.parametrize("cut", CUTS)
def test_a_power_cut_in_the_switch_ends_on_a_version_that_serves(site: Site, cut: str) -> None:
    """Whichever it is: it serves within two minutes of the boot."""
    put_aside = "rescue" in cut
    site.machine.does("systemctl", "stop", SERVICE)
    newer = f"{HOME}/versions/0.3.0"
    # What is put aside is removed.
    site.machine.does("sh", "-ec", f"rm -rf /root/kept; cp -a {newer} /root/kept")
    site.machine.does("sh", "-c", CUTS[cut])
    site.machine.cut_power()
    site.machine.boot()
    try:
        if put_aside:
            site.wait_served_by(FIRST, TWO_MINUTES)
        else:
            site.machine.awaits(SERVES, TWO_MINUTES, "a version to serve")
    finally:
        # As it was: the next cut begins from here.
        site.machine.does("systemctl", "stop", SERVICE)
        again = f"rm -f {HOME}/trial {HOME}/quarantined; ln -sfnT versions/0.3.0 {HOME}/current"
        site.machine.does("sh", "-ec", f"test -e {newer} || cp -a /root/kept {newer}; {again}")
        site.machine.does("systemctl", "start", SERVICE)


def test_a_power_cut_while_a_version_is_put_together_is_made_up_for(site: Site) -> None:
    """It is begun anew, and blessed in the end."""
    site.publisher.publish("0.4.0")
    half = f"{HOME}/versions/0.4.0/pyvenv.cfg"
    site.machine.awaits(f"test -e {half}", BROUGHT, half)
    site.machine.cut_power()
    site.machine.boot()
    site.machine.awaits(logged("agent.updated", version="0.4.0"), BROUGHT + TWO_MINUTES, "0.4.0")
    assert site.versions == {"0.3.0", "0.4.0"}


def test_it_survives_another_python(site: Site) -> None:
    """An upgrade of the system takes away the one that its environment was made with."""
    folder = f"{HOME}/versions/0.4.0/bin"
    gone = "-exec ln -sfn /usr/bin/python3.9 {} ;"
    site.machine.does("find", folder, "-lname", "/usr/bin/python3*", *gone.split())
    python = f"{folder}/python"
    assert site.machine.types(python, "-c", "").code
    site.machine.does("systemctl", "restart", "--no-block", SERVICE)
    again = f"{python} -c '' && {SERVES}"
    site.machine.awaits(again, BROUGHT, "the rescue to put it together again")
    assert status(site.machine)["installed"] is not None
    strangers = site.machine.does("find", f"{HOME}/versions", "!", "-user", "koprogo-agent")
    assert strangers == ""
