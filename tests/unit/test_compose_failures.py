"""What compose's words mean where a release could be blamed for what it has not done."""

from __future__ import annotations

from koprogo_agent.adapters.compose import failures
from koprogo_agent.errors import RetryLater, StepFailed

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
