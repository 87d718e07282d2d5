"""What compose's words mean where a release could be blamed for what it has not done."""

from __future__ import annotations

import pytest

from koprogo_agent.adapters.compose import failures
from koprogo_agent.domain.host import (
    ADDRESS_TAKEN,
    MACHINE_FAULTS,
    NAME_TAKEN,
    NETWORK_LOST,
    NO_ADDRESSES,
    NO_DEVICE,
    NO_NETWORK,
    NO_VOLUME,
    PAUSED,
    PORT_TAKEN,
)
from koprogo_agent.errors import DISK_FULL, READ_ONLY, RetryLater, StepFailed

_GONE = (
    b"Error response from daemon: Failed to Setup IP tables: Unable to enable SKIP DNAT rule:"
    b"  (iptables failed: iptables --wait -t nat -I DOCKER -i br-85a5 -j RETURN: iptables: No"
    b" chain/target/match by that name. (exit status 1))\n"
)


def test_a_firewall_that_was_reloaded_is_not_put_down_to_the_release() -> None:
    """It takes the engine's chains along; starting fails until the engine has made them anew."""
    error = failures.of_start(_GONE)
    assert isinstance(error, RetryLater)
    assert error.code == "engine.firewall"
    assert "systemctl restart docker" in error.advice


def test_what_nobody_knows_is_the_release_s_own() -> None:
    """Else a release that cannot start would be tried for ever."""
    error = failures.of_start(b"Error response from daemon: driver failed\n")
    assert isinstance(error, StepFailed)
    assert error.code == "compose.up_failed"


@pytest.mark.parametrize(
    ("printed", "code", "typed"),
    [
        (
            (
                "Error response from daemon: driver failed programming external connectivity on"
                " endpoint koprogo-frontend (6c): Bind for 0.0.0.0:8080 failed: port is already"
                " allocated"
            ),
            PORT_TAKEN,
            "ss -ltunp",
        ),
        (
            (
                "Error response from daemon: failed to set up container networking: Error starting"
                " userland proxy: listen tcp4 127.0.0.1:80: bind: address already in use"
            ),
            PORT_TAKEN,
            "ss -ltunp",
        ),
        (
            (
                'Error response from daemon: Conflict. The container name "/koprogo-mailer" is'
                ' already in use by container "5f". You have to remove (or rename) that container'
                " to be able to reuse that name."
            ),
            NAME_TAKEN,
            "docker ps -a --filter name=koprogo-mailer",
        ),
        (
            "Error response from daemon: cannot start a paused container, try unpause instead",
            PAUSED,
            "docker unpause",
        ),
        (
            (
                "failed to create network koprogo_x: Error response from daemon: could not find an"
                " available, non-overlapping IPv4 address pool among the defaults to assign to the"
                " network"
            ),
            NO_ADDRESSES,
            "docker network prune",
        ),
        (
            (
                "failed to create network koprogo_x: Error response from daemon: all predefined"
                " address pools have been fully subnetted"
            ),
            NO_ADDRESSES,
            "docker network prune",
        ),
        (
            "Error response from daemon: network 0a1b2c not found",
            NETWORK_LOST,
            "systemctl restart docker",
        ),
        (
            "Error response from daemon: Address already in use",
            ADDRESS_TAKEN,
            "docker network inspect",
        ),
        (
            (
                "Error response from daemon: error gathering device information while adding"
                ' custom device "/dev/ttyUSB0": no such file or directory'
            ),
            NO_DEVICE,
            "ls -l /dev",
        ),
        (
            (
                'Error response from daemon: could not select device driver "" with capabilities:'
                " [[gpu]]"
            ),
            NO_DEVICE,
            "docker info",
        ),
        (
            "network web declared as external, but could not be found",
            NO_NETWORK,
            "docker network create web",
        ),
        ('external volume "data" not found', NO_VOLUME, "docker volume create data"),
        (
            (
                "Error response from daemon: error while creating mount source path '/srv/x': mkdir"
                " /srv/x: read-only file system"
            ),
            READ_ONLY,
            "findmnt",
        ),
        (
            "Error response from daemon: mkdir /var/lib/docker/x: no space left on device",
            DISK_FULL,
            "docker system df",
        ),
        (
            "Error response from daemon: mkdir /var/lib/docker/x: disk quota exceeded",
            DISK_FULL,
            "docker system df",
        ),
    ],
)
def test_what_the_machine_cannot_give_is_not_put_down_to_the_release(
    printed: str, code: str, typed: str
) -> None:
    """Each has its code, waits instead of ending HELD on a way back, and says what to type."""
    error = failures.of_start(printed.encode())
    assert isinstance(error, RetryLater)
    assert error.code == code
    assert code in MACHINE_FAULTS
    assert typed in error.advice
