"""Git over TLS through a forward proxy: only the proxy knows where the git server is."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from koprogo_agent.domain.proxy import DIRECT, Proxy, ProxyRules
from koprogo_agent.errors import RetryLater
from tests.integration.git.bench import FILES, Bench, failure
from tests.lab.processes import free_port
from tests.lab.proxy import ForwardProxy

pytestmark = pytest.mark.real

TARGET = "git.lab.test:443"
URL = "https://git.lab.test/koprogo.git"
LOGIN = ("ann", "CANARY/p@ss: word%")


@pytest.fixture
def proxy(bench: Bench) -> Iterator[ForwardProxy]:
    """A proxy that lets everybody in."""
    with ForwardProxy({TARGET: bench.origin.front.address}) as served:
        yield served


@pytest.fixture
def locked(bench: Bench) -> Iterator[ForwardProxy]:
    """A proxy that wants a name and a password."""
    with ForwardProxy({TARGET: bench.origin.front.address}, LOGIN) as served:
        yield served


def through(served: ForwardProxy, *login: str, exceptions: tuple[str, ...] = ()) -> ProxyRules:
    """The rules that lead through it."""
    return ProxyRules(Proxy("127.0.0.1", served.server_port, *login), exceptions)


def test_a_release_is_fetched_through_the_proxy(bench: Bench, proxy: ForwardProxy) -> None:
    """A poll, a tag, a file; nothing of it goes another way, as there is none."""
    commit = bench.commit()
    ref = bench.tag("v1.0.0", commit)
    git = bench.git(through(proxy), url=URL)
    assert git.list_refs().tags == (ref,)
    git.fetch(ref)
    assert git.read_file(commit, "compose.yml") == FILES["compose.yml"]
    assert len(proxy.log) >= 3
    assert set(proxy.log) == {(TARGET, 200)}
    assert failure(bench.git(url=URL)).code == "source.unreachable"


def test_the_environment_names_no_proxy(
    bench: Bench, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the operator's shell has, the service would not have."""
    bench.tag("v1.0.0", bench.commit())
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.address)
    assert bench.git(DIRECT).list_refs().tags
    assert failure(bench.git(DIRECT, url=URL)).code == "source.unreachable"
    monkeypatch.setenv("no_proxy", "git.lab.test")
    assert bench.git(through(proxy), url=URL).list_refs().tags
    assert proxy.log


def test_a_proxy_that_wants_a_password_gets_it(bench: Bench, locked: ForwardProxy) -> None:
    """Whatever characters it has."""
    bench.tag("v1.0.0", bench.commit())
    assert bench.git(through(locked, *LOGIN), url=URL).list_refs().tags
    assert locked.log[-1] == (TARGET, 200)


@pytest.mark.parametrize(
    ("login", "said"), [((), "wants a name and password"), (("ann", "CANARY"), "let ann in")]
)
def test_a_wrong_password_is_named_and_not_shown(
    bench: Bench, locked: ForwardProxy, login: tuple[str, ...], said: str
) -> None:
    """The message says which keys to set."""
    error = failure(bench.git(through(locked, *login), url=URL))
    assert isinstance(error, RetryLater)
    assert error.code == "source.proxy_denied"
    assert said in error.message
    assert locked.address in error.message
    assert "proxy_user" in error.advice
    assert "CANARY" not in f"{error.message} {error.advice}"


def test_what_no_proxy_names_is_asked_directly(bench: Bench, proxy: ForwardProxy) -> None:
    """A git server of this network."""
    bench.tag("v1.0.0", bench.commit())
    rules = through(proxy, exceptions=(".lab.test",))
    assert failure(bench.git(rules, url=URL)).code == "source.unreachable"
    assert bench.git(rules).list_refs().tags
    assert proxy.log == []


def test_a_target_that_the_proxy_does_not_allow(bench: Bench, proxy: ForwardProxy) -> None:
    """Its administrator must; the message says for what."""
    error = failure(bench.git(through(proxy), url="https://other.lab.test:8443/x.git"))
    assert error.code == "source.proxy_refused"
    assert "does not allow a connection to other.lab.test:8443" in error.message
    assert "CONNECT to other.lab.test:8443" in error.advice


def test_a_server_that_the_proxy_cannot_reach(bench: Bench, proxy: ForwardProxy) -> None:
    """The proxy is well, the way behind it is not."""
    bench.origin.front.stop()
    error = failure(bench.git(through(proxy), url=URL))
    bench.origin.front.start()
    assert (error.code, "git.lab.test:443" in error.message) == ("source.proxy_failed", True)


@pytest.mark.parametrize(
    ("host", "said"),
    [("127.0.0.1", "cannot be reached"), ("nowhere.invalid", "cannot be resolved")],
)
def test_a_proxy_that_is_not_there(bench: Bench, host: str, said: str) -> None:
    """It is the proxy that is named, and not the source alone."""
    port = free_port()
    error = failure(bench.git(ProxyRules(Proxy(host, port, *LOGIN)), url=URL))
    assert error.code == "source.proxy_unreachable"
    assert f"the proxy http://{host}:{port}" in error.message.replace("the name of ", "")
    assert said in error.message
    assert "[network]" in error.advice
    assert "CANARY" not in error.message


def test_something_else_that_listens(bench: Bench) -> None:
    """Such as a mail server, under the port of the proxy."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        rules = ProxyRules(Proxy("127.0.0.1", server.getsockname()[1]))
        error = failure(bench.git(rules, url=URL, timeout=2))
    assert (error.code, "through the proxy" in error.message) == ("source.slow", True)


def test_a_proxy_that_opens_tls(bench: Bench, proxy: ForwardProxy) -> None:
    """Its authority is none that git knows; the message says where it belongs."""
    error = failure(bench.git(through(proxy), url=URL, ca_file=None))
    assert error.code == "source.certificate"
    assert "its own authority" in error.advice
