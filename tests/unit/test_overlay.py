"""From a rendered model: what is mounted, what changed, what must run, in which order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from koprogo_agent.domain.deployment import ServicePin
from koprogo_agent.domain.gate import Expectation
from koprogo_agent.domain.overlay import (
    RELEASE_LABEL,
    awaited,
    define,
    expectation,
    levels,
    mounted_paths,
    override,
    repository,
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


def test_override() -> None:
    """Pins for all, labels only for what the agent made: adoption changes nothing."""
    pins = {"b": ServicePin("b@sha256:1", "v1.0.0"), "a": ServicePin("a:1", None)}
    assert json.loads(override(pins)) == {
        "services": {
            "a": {"image": "a:1"},
            "b": {"image": "b@sha256:1", "labels": {RELEASE_LABEL: "v1.0.0"}},
        }
    }


def test_expectation() -> None:
    """What has a restart policy must run; what has none may end, and must where it is awaited."""
    running = frozenset({"ingress", "postgres", "backend"})
    assert expectation(MODEL) == Expectation(running, frozenset({"bootstrap"}))
    assert "ingress" not in expectation(MODEL, ["ingress"]).running
    waits = {"bootstrap": {"condition": "service_completed_successfully"}}
    assert expectation(altered("backend", depends_on=waits)).ended == {"bootstrap"}
    policy = {"restart_policy": {"condition": "none"}}
    assert "postgres" in expectation(altered("postgres", deploy=policy)).ending


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
