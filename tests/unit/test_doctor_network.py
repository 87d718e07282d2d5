"""What the doctor says of the proxy: the agent's, and the engine's own."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from koprogo_agent.doctor import machine, network, source
from koprogo_agent.doctor.finding import Level, Patient
from koprogo_agent.domain.proxy import DIRECT, Proxy, ProxyRules, variables_set
from koprogo_agent.settings.network import Network
from koprogo_agent.settings.sections import Source
from tests.fleets import Server
from tests.lab.ca import Authority
from tests.lab.processes import free_port
from tests.lab.proxy import ForwardProxy
from tests.simulation.faults import Taps
from tests.simulation.instance import Instance

PROXY = Proxy("proxy.example", 3128)
BEHIND = ProxyRules(PROXY)
OURS = ["ghcr.io/koprogo/backend@sha256:" + "0" * 64, "postgres:16"]


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    """A machine without a proxy."""
    for name in variables_set(os.environ):
        monkeypatch.delenv(name)
    made = Instance.new(tmp_path)
    made.install()
    return Patient(
        settings=made.settings,
        config=made.folder / "config.toml",
        journal=made.folder / "state.db",
        world=made.scene.world(Taps()),
        host="unix:///nowhere.sock",
        now=made.scene.clock.now(),
    )


def behind(patient: Patient, **keys: object) -> Patient:
    """The same with a section [network], and a source by https."""
    given = {
        "network": Network.model_validate(keys),
        "source": Source(url="https://git.example/x.git"),
    }
    return replace(patient, settings=patient.settings.model_copy(update=given))


def test_without_a_proxy_nothing_is_said(patient: Patient) -> None:
    """Neither of the agent's nor of the engine's."""
    assert list(network.proxy(patient)) == []
    assert network.of_engine({"HttpsProxy": ""}, DIRECT, OURS) == []


def test_a_proxy_of_the_environment_is_told(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without what is in it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:CANARY@proxy.example:3128")
    (found,) = network.proxy(patient)
    assert (found.level, "HTTPS_PROXY" in found.found) == (Level.WARNING, True)
    assert "[network]" in found.found
    assert "CANARY" not in found.found


def test_a_proxy_that_answers(patient: Patient) -> None:
    """And what the source says names it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        there = behind(patient, proxy=address)
        (found,) = network.proxy(there)
    assert (found.level, found.found) == (Level.GOOD, f"{address} answers")
    (asked,) = source.source(there)
    assert asked.found.endswith(f"through the proxy {address}")


@pytest.mark.parametrize(
    ("host", "said", "advice"),
    [
        ("127.0.0.1", "refuses connections", "below [network]"),
        ("nowhere.invalid", "its name cannot be resolved", "getent hosts nowhere.invalid"),
    ],
)
def test_a_proxy_that_does_not_answer(patient: Patient, host: str, said: str, advice: str) -> None:
    """Why, and what to type."""
    (found,) = network.proxy(behind(patient, proxy=f"http://{host}:{free_port()}"))
    assert (found.level, said in found.found, advice in found.advice) == (Level.FAULT, True, True)


def test_the_clock_is_compared_through_the_proxy(patient: Patient, tmp_path: Path) -> None:
    """There may be no other way to the git server."""
    target = "git.lab.test:443"
    with Server(Authority.create(tmp_path, "web")) as web:
        names = {target: f"127.0.0.1:{web.server_port}"}
        with ForwardProxy(names, ("ann", "CANARY")) as served:
            keys = {"proxy": served.address, "proxy_user": "ann", "proxy_password": "CANARY"}
            there = behind(patient, **keys)
            far = Source(url="https://git.lab.test/x.git")
            settings = there.settings.model_copy(update={"source": far})
            (found,) = machine.clock(replace(there, settings=settings, now=datetime.now(UTC)))
            assert served.log == [(target, 200)]
    assert (found.level, "from the git server's" in found.found) == (Level.GOOD, True)


def test_an_engine_without_a_proxy(patient: Patient) -> None:
    """It pulls the images; what to write where is said, and no password."""
    rules = ProxyRules(Proxy("proxy.example", 3128, "ann", "CANARY"), ("registry.internal",))
    (found,) = network.of_engine({"HttpsProxy": "", "NoProxy": ""}, rules, OURS)
    assert found.level is Level.WARNING
    assert "dockerd pulls the images itself" in found.found
    assert "/etc/systemd/system/docker.service.d/proxy.conf" in found.advice
    assert '"HTTPS_PROXY=http://NAME:PASSWORD@proxy.example:3128"' in found.advice
    assert '"NO_PROXY=localhost,127.0.0.1,registry.internal"' in found.advice
    assert "systemctl daemon-reload; systemctl restart docker" in found.advice
    assert "CANARY" not in found.advice
    assert patient.settings.network.rules == DIRECT


def test_an_engine_that_needs_none() -> None:
    """All images come from a registry of this network."""
    rules = ProxyRules(PROXY, ("registry.internal",))
    (found,) = network.of_engine({}, rules, ["registry.internal:5000/koprogo/backend:1"])
    assert (found.level, "registry.internal" in found.found) == (Level.GOOD, True)


@pytest.mark.parametrize(
    ("own", "level"),
    [
        ("http://proxy.example:3128", Level.GOOD),
        ("proxy.example:3128/", Level.GOOD),
        ("http://xxxxx:xxxxx@proxy.example:3128", Level.GOOD),
        ("http://proxy.example:8080", Level.WARNING),
        ("http://xxxxx:xxxxx@other.example:3128", Level.WARNING),
    ],
)
def test_an_engine_with_a_proxy(own: str, level: Level) -> None:
    """The same, however it is written; or another one."""
    (found,) = network.of_engine({"HttpsProxy": own}, BEHIND, OURS)
    assert found.level is level
    assert "xxxxx" not in found.found


def test_an_internal_registry_that_the_engine_asks_through_its_proxy() -> None:
    """`no_proxy` names it, the engine's own list does not."""
    rules = ProxyRules(PROXY, (".internal",))
    images = ["registry.internal:5000/koprogo/backend:1"]
    info = {"HttpsProxy": "http://proxy.example:3128", "NoProxy": "localhost"}
    (found,) = network.of_engine(info, rules, images)
    assert (found.level, "registry.internal through its proxy" in found.found) == (
        Level.WARNING,
        True,
    )
    (well,) = network.of_engine(info | {"NoProxy": "localhost,.internal"}, rules, images)
    assert well.level is Level.GOOD


def test_an_engine_with_a_proxy_and_an_agent_without() -> None:
    """That may be right, and is said."""
    (found,) = network.of_engine({"HttpsProxy": "http://a:b@h:1"}, DIRECT, OURS)
    assert (found.level, "http://h:1" in found.found) == (Level.GOOD, True)
