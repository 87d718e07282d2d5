"""Networks that are made anew, with the containers that are in them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.compose.bench import Bench

pytestmark = pytest.mark.real


def define(bench: Bench, name: str, subnet: str, address: str) -> None:
    """Write a project with one network of its own, in which one service has a fixed address."""
    fixed = {"backbone": {"aliases": ["database"], "ipv4_address": address}}
    bench.service("db", networks=fixed)
    bench.service("web", networks=["backbone"])
    bench.service("alone", network_mode="none")
    network = {"name": name, "ipam": {"config": [{"subnet": subnet}]}}
    bench.write(
        bench.project.files[0], {"services": bench.services, "networks": {"backbone": network}}
    )


def endpoint(bench: Bench, container: str, network: str) -> dict[str, Any]:
    """How a container is in a network; it must be in no other."""
    told: dict[str, Any] = bench.client.api.inspect_container(container)["NetworkSettings"][
        "Networks"
    ]
    assert list(told) == [network]
    return dict(told[network])


def test_a_network_with_another_name_and_other_addresses(bench: Bench) -> None:
    """The same containers are in it, with the names and addresses that Compose would give them."""
    name = f"{bench.name}-first"
    define(bench, name, "10.98.1.0/24", "10.98.1.9")
    ids = bench.up()
    define(bench, f"{bench.name}-second", "10.98.2.0/24", "10.98.2.9")
    assert bench.stack.replaced_networks(bench.project) == (name,)
    bench.stack.stop(bench.name, ["web", "db"])
    bench.stack.renew_networks(bench.project)
    bench.stack.start(bench.name, ["db", "web"])
    told = endpoint(bench, ids["db"], f"{bench.name}-second")
    assert told["IPAddress"] == "10.98.2.9"
    assert {"db", "database", f"{bench.name}-db-1"} <= set(told["Aliases"])
    assert endpoint(bench, ids["web"], f"{bench.name}-second")["IPAddress"]
    assert endpoint(bench, ids["alone"], "none") is not None
    assert bench.up(bench.project, "web")["web"] == ids["web"], "compose finds it as it should be"
