"""What can be seen of the containers that run."""

from __future__ import annotations

from typing import Any

import pytest

from koprogo_agent.adapters.probes import HttpProber
from koprogo_agent.domain.gate import Health
from koprogo_agent.ports import HttpProbe
from tests.integration.compose.bench import HEALTHY, Bench

pytestmark = pytest.mark.real


def test_containers_are_seen_as_the_gate_wants_them(bench: Bench) -> None:
    """State, health, exit code, restarts, what may end; one-off containers are not the stack's."""
    bench.service("web", healthcheck=HEALTHY, labels={"x": "a$$b"})
    bench.service("once", command=["sh", "-c", "exit 4"])
    bench.service("loop", command=["sh", "-c", "exit 5"], restart="always")
    bench.up()

    def all_is_there_to_see() -> bool:
        seen = bench.look()
        once_ended = seen["once"].state == "exited"
        return seen["web"].health is Health.HEALTHY and seen["loop"].restarts > 0 and once_ended

    bench.wait(all_is_there_to_see, "health, a restart and an end")
    seen = bench.look()
    assert sorted(seen) == ["loop", "once", "web"]
    assert (seen["web"].state, seen["web"].image) == ("running", f"{bench.image}:1")
    assert seen["web"].image_id == bench.client.images.get(f"{bench.image}:1").id
    assert seen["web"].labels["x"] == "a$b"
    assert (seen["once"].state, seen["once"].exit_code) == ("exited", 4)
    assert seen["once"].health is Health.NONE
    assert [name for name, one in seen.items() if one.may_end] == ["once"]


@pytest.mark.parametrize(
    ("check", "passes"),
    [
        ({"test": ["CMD", "test", "-d", "/proc"]}, True),
        ({"test": "test $$((40 + 2)) = 42"}, True),
        ({"test": ["CMD", "yes"], "timeout": "1s"}, False),
        ({"test": ["CMD", "sleep", "9"], "timeout": "1s"}, False),
        ({"test": ["CMD", "false"]}, False),
        ({"test": ["CMD", "no-such-program"]}, False),
        ({"disable": True}, False),
    ],
    ids=str,
)
def test_a_healthcheck_is_run_before_the_engine_comes_to_it(
    bench: Bench, check: dict[str, Any], passes: object
) -> None:
    """As the engine would run it, and for as long as the engine would let it."""
    bench.service("web", healthcheck={"interval": "1h", "start_period": "0s"} | check)
    bench.up()
    web = bench.look()["web"]
    assert web.health in {Health.STARTING, Health.NONE}
    assert bench.stack.examine(web.id) is passes


def test_a_container_is_reached_at_its_address(bench: Bench) -> None:
    """On a network without a way out, on the host's own, and through another container."""
    serve = {"entrypoint": ["serve"], "command": []}
    bench.service("inner", **serve, networks=["closed"])
    bench.service("host", network_mode="host")
    bench.service("beside", network_mode="service:inner")
    networks = {"closed": {"internal": True}}
    bench.write(bench.project.files[0], {"services": bench.services, "networks": networks})
    ids = bench.up()
    address = bench.stack.address(ids["inner"])
    assert address is not None
    assert address == bench.stack.address(ids["beside"])
    assert bench.stack.address(ids["host"]) == "127.0.0.1"
    prober = HttpProber()
    probe = HttpProbe("inner", f"http://{address}/", status=404)
    bench.wait(lambda: prober.ask(probe) is None, "an answer from inside")
    bench.stack.stop(bench.name, ["inner"])
    assert bench.stack.address(ids["inner"]) is None
    assert bench.stack.address("no-such-container") is None


def test_logs_are_the_end_of_what_was_printed(bench: Bench) -> None:
    """So many lines of it; nothing for a container that is gone."""
    bench.service("web", command=["seq", "1", "50"])
    ids = bench.up()
    bench.wait(lambda: bench.look()["web"].state == "exited", "the end")
    assert bench.stack.logs(ids["web"], 2).split() == ["49", "50"]
    assert bench.stack.logs("no-such-container", 2) == ""
