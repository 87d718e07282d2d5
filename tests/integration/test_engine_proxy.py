"""An engine with a proxy of its own: what it says of it, and what a pull through it means."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from koprogo_agent import docker_api
from koprogo_agent.adapters.images import RegistryImages
from koprogo_agent.doctor.finding import Level
from koprogo_agent.doctor.network import of_engine
from koprogo_agent.domain.proxy import Proxy, ProxyRules
from koprogo_agent.errors import RetryLater
from tests.lab.engine import Engine
from tests.lab.proxy import ForwardProxy

pytestmark = pytest.mark.real

IMAGE = "registry.lab.test/koprogo/backend:1"
REFUSED = ("unknown", "CANARY")


@pytest.fixture(scope="module")
def proxy() -> Iterator[ForwardProxy]:
    """A proxy that lets in only who gives another password than the engine's."""
    with ForwardProxy({}, ("ann", "right")) as served:
        yield served


@pytest.fixture(scope="module")
def engine(proxy: ForwardProxy) -> Iterator[Engine]:
    """An engine that is to use it."""
    url = Proxy("127.0.0.1", proxy.server_port, *REFUSED).url
    environment = {"HTTPS_PROXY": url, "NO_PROXY": "localhost,.internal"}
    with Engine(own=True, environment=environment) as started:
        yield started


def test_the_doctor_reads_the_engines_proxy(engine: Engine, proxy: ForwardProxy) -> None:
    """As the engine tells it, and compares it with the setting."""
    info = docker_api.read(engine.host, "/info")
    same = ProxyRules(Proxy("127.0.0.1", proxy.server_port, "ann", "right"), (".internal",))
    (found,) = of_engine(info, same, [IMAGE, "registry.internal/a:1"])
    assert found.level is Level.GOOD
    assert proxy.address in found.found
    (other,) = of_engine(info, ProxyRules(Proxy("proxy.example", 3128), (".internal",)), [IMAGE])
    assert (other.level, "proxy.example:3128" in other.found) == (Level.WARNING, True)
    assert "CANARY" not in f"{found} {other}"


def test_a_pull_that_its_proxy_does_not_let_out(engine: Engine, proxy: ForwardProxy) -> None:
    """407, then no proxy at all: neither is a matter of `docker login`."""
    images = RegistryImages(engine.host)
    with pytest.raises(RetryLater, match="wants a name and password") as caught:
        images.pull(IMAGE, lambda _: None)
    assert caught.value.code == "registry.proxy"
    assert proxy.log[-1] == ("registry.lab.test:443", 407)
    proxy.shutdown()
    proxy.server_close()
    with pytest.raises(RetryLater, match="cannot be reached") as caught:
        images.pull(IMAGE, lambda _: None)
    assert caught.value.code == "registry.proxy"
    assert "CANARY" not in caught.value.message
