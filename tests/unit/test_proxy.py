"""The forward proxy: which addresses go through it, and what the settings say of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from koprogo_agent.adapters.images.faults import of_pull
from koprogo_agent.cli.exits import Exit
from koprogo_agent.cli.main import run
from koprogo_agent.domain.proxy import DIRECT, Proxy, ProxyRules, environment_of, variables_set
from koprogo_agent.errors import NeedsOperator, RetryLater
from koprogo_agent.settings import load

PROXY = Proxy("proxy.example", 3128)
UNREAD = "the agent does not read this; if it needs a proxy, set it below [network]"
SSH = """
[source]
url = "git@forge.example:o/r.git"
allow_protocols = ["ssh"]
[network]
proxy = "http://h:1"
"""
MAIL = """
[network]
proxy = "http://h:1"
[notify]
urls = ["ntfy://topic", "mailto://a:CANARY@example.org"]
"""
SECRET = Proxy("10.0.0.1", 8080, "ann@corp", "CANARY/:%")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables_set(os.environ):
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration file."""
    return tmp_path / "config.toml"


@pytest.mark.parametrize(
    ("entry", "host", "direct"),
    [
        ("example.org", "example.org", "direct"),
        ("example.org", "git.example.org", "direct"),
        ("example.org", "GIT.Example.org.", "direct"),
        ("example.org", "badexample.org", ""),
        (".example.org", "git.example.org", "direct"),
        (".example.org", "example.org", ""),
        ("10.0.0.5", "10.0.0.5", "direct"),
        ("10.0.0.5", "10.0.0.50", ""),
        ("10.0.0.0/8", "10.200.1.1", "direct"),
        ("10.0.0.0/8", "11.0.0.1", ""),
        ("fd00::/8", "fd00::1", "direct"),
        ("10.0.0.0/8", "fd00::1", ""),
        ("10.0.0.0/8", "ten.example.org", ""),
        ("registry", "localhost", "direct"),
        ("registry", "127.0.0.9", "direct"),
        ("registry", "::1", "direct"),
    ],
)
def test_what_is_asked_directly(entry: str, host: str, direct: str) -> None:
    """By name, by address and by network; this machine always."""
    assert ProxyRules(PROXY, (entry,)).is_direct(host) is bool(direct)


@pytest.mark.parametrize(
    ("url", "proxied"),
    [
        ("https://github.com/x.git", PROXY),
        ("http://mirror.example.net:8080/x.git", PROXY),
        ("https://git.example.org/x.git", None),
        ("https://[::1]:8443/x.git", None),
        ("ssh://git@github.com/x.git", None),
        ("git@github.com:org/x.git", None),
        ("/srv/x.git", None),
    ],
)
def test_which_addresses_go_through_the_proxy(url: str, proxied: Proxy | None) -> None:
    """Those of http and https alone, but for the exceptions; without a proxy none."""
    assert ProxyRules(PROXY, ("example.org",)).proxy_for(url) == proxied
    assert DIRECT.proxy_for(url) is None


def test_a_password_is_quoted_and_never_shown() -> None:
    """Where it must stand, as the reader wants it; nowhere else."""
    assert SECRET.url == "http://ann%40corp:CANARY%2F%3A%25@10.0.0.1:8080"
    assert SECRET.headers == {"Proxy-Authorization": "Basic YW5uQGNvcnA6Q0FOQVJZLzol"}
    assert "CANARY" not in f"{SECRET} {SECRET!r} {SECRET.address}"
    assert Proxy("fd00::1", 3128).address == "http://[fd00::1]:3128"


def test_programs_get_the_proxy_of_the_settings_alone() -> None:
    """What the environment of this process has is taken out."""
    own = {"PATH": "/bin", "HTTPS_PROXY": "http://other", "all_proxy": "x", "NO_PROXY": "y"}
    assert DIRECT.environment(own) == {"PATH": "/bin"}
    given = ProxyRules(PROXY, ("example.org",)).environment(own)
    assert given["https_proxy"] == given["HTTP_PROXY"] == "http://proxy.example:3128"
    assert given["no_proxy"] == "localhost,127.0.0.1,::1,example.org"
    assert not {"all_proxy", "NO_PROXY"} & given.keys()
    assert environment_of(None) == {}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("proxy = 'proxy.example:3128'", "network.proxy: does not begin with http://; write it"),
        ("proxy = 'http://proxy.example'", "network.proxy: names no port; write it as http://pr"),
        ("proxy = 'http://:3128'", "network.proxy: names no host"),
        ("proxy = 'http://proxy.example:0'", "network.proxy: names no port"),
        ("proxy = 'http://proxy.example:99999'", "a number from 1 to 65535"),
        ("proxy = 'http://proxy.example:web'", "a number from 1 to 65535"),
        ("proxy = 'http://proxy.example:3128/x'", "must end with the port"),
        ("proxy = 'socks5h://proxy.example:1080'", "a SOCKS proxy cannot be used; name an HTTP"),
        ("proxy = 'https://proxy.example:3128'", "itself asked by TLS cannot be used"),
        ("proxy = 'http://ann:CANARY@h:1'", "write them as proxy_user and proxy_password"),
        ("proxy = 5", "network.proxy: 5 is not a text"),
        ("proxy = 'http://h:1'\nproxy_user = 'ann'", "proxy_user and proxy_password go together"),
        ("proxy = 'http://h:1'\nproxy_password = 'CANARY'", "go together; give both or neither"),
        ("proxy = 'http://h:1'\nproxy_password = 4711", "proxy_password: is not a text"),
        ("proxy = 'http://h:1'\nproxy_user = 'a:b'\nproxy_password = ''", "not in the right form"),
        ("proxy_user = 'ann'\nproxy_password = 'CANARY'", "there is no proxy; set proxy, or take"),
        ("no_proxy = ['example.org']", "there is no proxy; set proxy, or take"),
        ("no_proxy = ['*']", "no_proxy (number 1): would be asked for every address"),
        ("no_proxy = ['*.example.org']", 'write ".example.org" for every name below example.org'),
        ("no_proxy = ['example.org:443']", "is no name, address or network; write it as"),
        ("no_proxy = ['10.0.0.0/99']", "is no name, address or network"),
        ("no_proxy = 'example.org'", "is not a list"),
    ],
)
def test_a_fault_says_what_is_right(file: Path, text: str, hint: str) -> None:
    """In words of ours, without the password that may be in it."""
    file.write_text(f"[network]\n{text}\n")
    with pytest.raises(NeedsOperator) as raised:
        load(file)
    assert hint in raised.value.message
    assert "CANARY" not in raised.value.message
    assert "4711" not in raised.value.message


def test_a_proxy_of_the_settings(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the file, or from our own variables; the password is a secret of the settings."""
    file.write_text(
        '[network]\nproxy = "http://10.0.0.1:8080/"\nno_proxy = ["registry.internal"]\n'
    )
    monkeypatch.setenv("KOPROGO_AGENT_NETWORK__PROXY_USER", "ann@corp")
    monkeypatch.setenv("KOPROGO_AGENT_NETWORK__PROXY_PASSWORD", "CANARY/:%")
    settings = load(file)
    assert settings.network.rules == ProxyRules(SECRET, ("registry.internal",))
    assert settings.secrets == ("CANARY/:%",)
    assert "CANARY" not in f"{settings!r} {settings.model_dump_json()}"


def test_config_show_masks_the_password(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And shows the rest."""
    keys = 'proxy = "http://h:1"\nproxy_user = "ann"\nproxy_password = "CANARY"\n'
    file.write_text(f"[network]\n{keys}")
    assert run(["config", "show", "--json", "--config", str(file)]) == Exit.DONE
    out = capsys.readouterr().out
    assert "http://h:1" in out
    assert "CANARY" not in out


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        (
            SSH,
            {},
            ["source.url uses ssh, to which network.proxy does not apply; it applies to https"],
        ),
        (
            "",
            {"HTTPS_PROXY": "http://u:CANARY@h:1"},
            [f"HTTPS_PROXY: {UNREAD}"],
        ),
        ("[network]\nproxy = 'http://h:1'\n", {"HTTPS_PROXY": "http://u:CANARY@h:1"}, []),
        (
            MAIL,
            {},
            ["notify.urls (number 2) is mail, which is sent without network.proxy"],
        ),
        ("", {}, []),
    ],
)
def test_check_says_where_the_proxy_does_not_apply(
    file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    environment: dict[str, str],
    said: list[str],
) -> None:
    """The configuration is valid all the same."""
    file.write_text(text)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert run(["config", "check", "--json", "--config", str(file)]) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["notes"] == said
    assert run(["config", "check", "--config", str(file)]) == Exit.DONE
    out = capsys.readouterr().out
    assert all(f"! {one}" in out for one in said)
    assert "CANARY" not in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused", "be reached"),
        ("proxyconnect tcp: dial tcp: lookup proxy.example: no such host", "cannot be reached"),
        ('Get "https://r.example/v2/": Proxy Authentication Required', "a name and password"),
    ],
)
def test_a_pull_that_fails_at_the_engines_own_proxy(words: str, said: str) -> None:
    """It is no matter of `docker login`."""
    error = of_pull("r.example/app:1", words, DIRECT)
    assert isinstance(error, RetryLater)
    assert (error.code, said in error.message) == ("registry.proxy", True)
    assert "docker info" in error.advice
