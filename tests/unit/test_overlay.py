"""From a rendered model: what is mounted, what changed, what must run, in which order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from koprogo_agent.domain.deployment import ServicePin
from koprogo_agent.domain.gate import Expectation
from koprogo_agent.domain.overlay import (
    RELEASE_LABEL,
    all_needs,
    awaited,
    define,
    expectation,
    fixed,
    followers,
    is_one_shot,
    joined,
    levels,
    mounted_paths,
    override,
    replicas,
    repository,
    unsupported,
    without_absent,
)

ROOT = "/opt/koprogo"
MODEL: dict[str, Any] = {
    "services": {
        "ingress": {
            "image": "proxy:2",
            "restart": "unless-stopped",
            "depends_on": {"backend": {"condition": "service_healthy"}},
            "volumes": [
                {"type": "bind", "source": f"{ROOT}/conf/proxy", "target": "/etc/proxy"},
                {"type": "bind", "source": "/etc/ssl", "target": "/etc/ssl"},
                {"type": "volume", "source": "certs", "target": "/certs"},
            ],
            "configs": [{"source": "routes"}],
        },
        "postgres": {"image": "postgres:15", "restart": "always"},
        "backend": {
            "image": "registry:5000/koprogo/backend:v1",
            "restart": "unless-stopped",
            "environment": {"PASSWORD": "a$b"},
            "ports": [{"published": "8080"}],
            "container_name": "koprogo-backend",
            "labels": {"proxy.rule": "all"},
            "deploy": {"resources": {"limits": {"memory": "512m"}}},
            "depends_on": {"postgres": {"condition": "service_healthy"}},
        },
        "bootstrap": {"image": "tool:1", "depends_on": {"postgres": {}}},
    },
    "configs": {"routes": {"file": f"{ROOT}/conf/routes.toml"}},
}
IMAGES = {name: str(one["image"]) for name, one in MODEL["services"].items()}
FILES = {"conf/proxy/main.cfg": "1", "conf/proxy-other.cfg": "2", "conf/routes.toml": "3"}


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("postgres", "postgres"),
        ("postgres:15", "postgres"),
        ("registry:5000/a/b", "registry:5000/a/b"),
        ("registry:5000/a/b:v1", "registry:5000/a/b"),
        ("registry:5000/a/b:v1@sha256:00", "registry:5000/a/b"),
        ("a/b@sha256:00", "a/b"),
    ],
)
def test_repository(reference: str, expected: str) -> None:
    """A port of a registry is no tag."""
    assert repository(reference) == expected


def test_mounted_paths() -> None:
    """Only what lies below the stack's folder comes from the release."""
    found = mounted_paths(MODEL["services"]["ingress"], MODEL, ROOT)
    assert found == ("conf/proxy", "conf/routes.toml")


def changed(model: dict[str, Any], images: dict[str, str], files: dict[str, str]) -> set[str]:
    """The services whose definition differs from the plain one."""
    before, after = define(MODEL, IMAGES, FILES, ROOT), define(model, images, files, ROOT)
    return {name for name in after if after[name] != before.get(name)}


def altered(service: str, **keys: object) -> dict[str, Any]:
    """The model with one service altered."""
    entry = {**MODEL["services"][service], **keys}
    return {**MODEL, "services": {**MODEL["services"], service: entry}}


def test_definitions_change_with_what_defines_them() -> None:
    """Environment, image and mounted content do; what a service waits for does not."""
    assert changed(MODEL, IMAGES, FILES) == set()
    assert changed(altered("backend", environment={}), IMAGES, FILES) == {"backend"}
    assert changed(altered("backend", depends_on={}), IMAGES, FILES) == set()
    assert changed(MODEL, {**IMAGES, "backend": "b@sha256:1"}, FILES) == {"backend"}
    assert changed(MODEL, IMAGES, {**FILES, "conf/proxy/main.cfg": "x"}) == {"ingress"}
    assert changed(MODEL, IMAGES, {**FILES, "conf/routes.toml": "x"}) == {"ingress"}
    assert changed(MODEL, IMAGES, {**FILES, "conf/proxy-other.cfg": "x"}) == set()


def test_what_is_not_supported() -> None:
    """External configs and secrets, where a service uses them; and models."""
    stores = {"configs": {"motto": {"external": True}, "page": {"file": "/p"}}}
    model = {"services": {"a": {"configs": [{"source": "page"}]}}, **stores}
    assert unsupported(model) == ()
    model["services"] = {"a": {"configs": [{"source": "motto"}]}, "b": {"models": {"llm": None}}}
    assert unsupported(model) == (
        "the config motto is external, and only Swarm has such",
        "b uses models, which Compose does not render",
    )


def test_what_may_be_absent() -> None:
    """A service behind a profile that is off is not asked for; one that is on may fall."""
    needed = {"condition": "service_healthy", "required": True}
    optional = {"condition": "service_healthy", "required": False}
    waits = {"depends_on": {"b": needed, "c": optional, "debug": optional}}
    model = without_absent({"services": {"a": waits, "b": {}, "c": {}}, "name": "koprogo"})
    assert model["services"]["a"]["depends_on"] == {"b": needed, "c": optional}
    assert (model["services"]["b"], model["name"]) == ({}, "koprogo")
    written = json.loads(override({"a": ServicePin("a:1", "v1")}, model))
    assert written["services"]["a"]["depends_on"] == {
        "b": {"condition": "service_started", "required": True},
        "c": {"condition": "service_started", "required": False},
    }


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ({}, ""),
        ({"networks": {"default": None, "web": {"aliases": ["x"]}}}, ""),
        ({"networks": {"web": {"ipv4_address": "172.20.0.9"}}}, "the fixed address 172.20.0.9"),
        ({"networks": {"web": {"ipv6_address": "fd00::9"}}}, "the fixed address fd00::9"),
        ({"mac_address": "02:42:ac:11:65:43"}, "the fixed address 02:42:ac:11:65:43"),
        ({"network_mode": "host"}, "the network of the host"),
    ],
)
def test_what_only_one_container_can_have(service: Mapping[str, Any], said: str) -> None:
    """A second one beside it would not start."""
    assert fixed(service) == said


def test_override() -> None:
    """Pins for all, labels only for what the agent made: adoption changes nothing."""
    pins = {"b": ServicePin("b@sha256:1", "v1.0.0"), "a": ServicePin("a:1", None)}
    waits = {"depends_on": {"b": {"condition": "service_healthy", "restart": True}}}
    assert json.loads(override(pins, {"services": {"a": waits, "b": {}}})) == {
        "services": {
            "a": {"image": "a:1", "depends_on": {"b": {"condition": "service_started"}}},
            "b": {"image": "b@sha256:1", "labels": {RELEASE_LABEL: "v1.0.0"}},
        }
    }


def test_what_follows_a_service_comes_after_it() -> None:
    """Also where that is a writer, which comes last otherwise."""
    restarted = {"postgres": {}, "backend": {"condition": "service_started", "restart": True}}
    needed = {"backend": {"condition": "service_started"}}
    more = {
        "follower": {"image": "s:1", "depends_on": restarted},
        "sidecar": {"image": "s:1", "network_mode": "service:backend", "depends_on": needed},
        "reader": {"image": "s:1", "volumes_from": ["backend:ro"], "depends_on": needed},
    }
    model = {**MODEL, "services": {**MODEL["services"], **more}}
    names = list(model["services"])
    order = levels(model, names, last=["backend"])
    after = ("follower", "sidecar", "reader")
    assert order == [("ingress", "postgres"), ("backend", "bootstrap"), after]
    assert followers(model, ["backend"], names) == ("follower",)
    assert followers(model, ["postgres"], names) == ()


def test_what_is_restarted_with_its_database_waits_for_it() -> None:
    """Nothing starts before what it needs is ready, however they depend on each other."""
    model = altered("backend", depends_on={"postgres": {"restart": True}})
    order = levels(model, list(MODEL["services"]), last=["backend"])
    assert [sorted(level) for level in order] == [["ingress", "postgres"], ["backend", "bootstrap"]]


def test_all_needs() -> None:
    """Those of those that are needed, too."""
    assert all_needs(MODEL, ["ingress"]) >= {"backend", "postgres"}
    assert all_needs(MODEL, ["gone"]) == set()


def test_joined_levels() -> None:
    """What need not wait for others starts with them."""
    model = altered("backend", depends_on={"postgres": {}, "bootstrap": {}})
    order = levels(model, list(MODEL["services"]))
    assert order == [("postgres",), ("bootstrap",), ("backend",), ("ingress",)]
    assert joined(model, order, []) == order
    before = ("postgres", "bootstrap", "backend")
    assert joined(model, order, ["postgres", "bootstrap"]) == [before, ("ingress",)]
    assert joined(model, order, before) == [(*before, "ingress")]


def test_expectation() -> None:
    """What has a restart policy must run; what has none may end, and must where it is awaited."""
    running = frozenset({"ingress", "postgres", "backend"})
    assert expectation(MODEL) == Expectation(running, frozenset({"bootstrap"}))
    assert "ingress" not in expectation(MODEL, ["ingress"]).running
    waits = {"bootstrap": {"condition": "service_completed_successfully"}}
    assert expectation(altered("backend", depends_on=waits)).ended == {"bootstrap"}
    policy = {"restart_policy": {"condition": "none"}}
    assert "postgres" in expectation(altered("postgres", deploy=policy)).ending


def test_one_shot() -> None:
    """Nothing restarts it, and nobody asks how it is."""
    assert is_one_shot({"image": "x"})
    assert is_one_shot({"image": "x", "restart": "on-failure:3"})
    assert is_one_shot({"image": "x", "healthcheck": {"test": ["NONE"]}})
    assert not is_one_shot({"image": "x", "healthcheck": {"test": ["CMD", "ask"]}})
    assert not is_one_shot({"image": "x", "restart": "always"})


def test_what_has_a_health_check_must_run_without_a_restart_policy_too() -> None:
    """Unless others wait for its end: then its check says nothing."""
    check = {"test": ["CMD", "ask"]}
    checked = altered("bootstrap", healthcheck=check)
    assert "bootstrap" in expectation(checked).running
    waits = {"bootstrap": {"condition": "service_completed_successfully"}}
    backend = {**MODEL["services"]["backend"], "depends_on": waits}
    awaited = {**checked, "services": {**checked["services"], "backend": backend}}
    assert expectation(awaited).ended == {"bootstrap"}


@pytest.mark.parametrize(
    ("service", "expected"),
    [({}, 1), ({"deploy": {}}, 1), ({"scale": 0}, 0), ({"deploy": {"replicas": 3}}, 3)],
)
def test_replicas(service: dict[str, Any], expected: int) -> None:
    """One, unless the compose files say otherwise."""
    assert replicas(service) == expected


def test_expectation_of_replicas() -> None:
    """As many as the compose files ask for."""
    assert expectation(altered("backend", scale=2)).replicas == {"backend": 2}


def test_levels() -> None:
    """Each service starts after those that it depends on; what is not asked for is ignored."""
    first, second, third = levels(MODEL, list(MODEL["services"]))
    assert (first, second, third) == (("postgres",), ("backend", "bootstrap"), ("ingress",))
    assert levels(MODEL, ["ingress"]) == [("ingress",)]


def test_levels_of_a_name_that_the_model_does_not_have() -> None:
    """The operator may have taken it out since: it is no service any more."""
    assert levels(MODEL, ["ingress", "gone"]) == [("ingress",)]


def test_levels_with_the_writers_last() -> None:
    """What needs a writer does not come after it then, and never starts together with it."""
    found = levels(MODEL, list(MODEL["services"]), last=["backend"])
    assert [sorted(level) for level in found] == [["ingress", "postgres"], ["backend", "bootstrap"]]
    entries: dict[str, Any] = {"writer": {}, "page": {"depends_on": {"writer": {}}}}
    pair = levels({"services": entries}, ["writer", "page"], last=["writer"])
    assert pair == [("page",), ("writer",)]


def test_awaited() -> None:
    """Only what later services need is waited for, and never a writer."""
    assert awaited(MODEL, ["postgres"], ["backend", "ingress"], ["backend"]) == {"postgres"}
    assert awaited(MODEL, ["backend", "bootstrap"], ["ingress"], ["backend"]) == set()
    assert awaited(MODEL, ["backend", "bootstrap"], ["ingress"], []) == {"backend"}


def test_levels_of_a_cycle() -> None:
    """It starts together, and the loop ends."""
    entries: dict[str, Any] = {"a": {"depends_on": {"b": {}}}, "b": {"depends_on": {"a": {}}}}
    assert levels({"services": entries}, ["a", "b"]) == [("a", "b")]
