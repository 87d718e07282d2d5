"""The forward proxy of this network, and the addresses that are asked through it.

One decision for all that the agent fetches: curl, Python and Docker each read `NO_PROXY` in their
own way. An entry that is a name covers itself and every name below it; with a leading dot only
those below. An entry that is an address, or a network in CIDR notation, covers addresses. This
machine itself is never asked through a proxy, as the Docker engine does it.
"""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

_LOCAL = "localhost"
_VARIABLES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY")
_OTHERS = ("all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy that is asked to connect (CONNECT, RFC 9110, section 9.3.6).

    Attributes:
        host: its name or address, an IPv6 address without brackets.
        user: the name that it wants; None where it wants none.
        password: what belongs to it.
    """

    host: str
    port: int
    user: str | None = None
    password: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """The address without the password, which may be shown."""
        return f"http://{self._place}"

    @property
    def url(self) -> str:
        """The address with name and password: a secret where there are any."""
        if self.user is None:
            return self.address
        return f"http://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{self._place}"

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields with which it is asked to connect (RFC 7617)."""
        if self.user is None:
            return {}
        credentials = b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {credentials}"}

    @property
    def _place(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class ProxyRules:
    """Which proxy an address is asked through.

    Attributes:
        proxy: the proxy of this network; None: everything is asked directly.
        exceptions: names, addresses and networks that are asked directly.
    """

    proxy: Proxy | None = None
    exceptions: tuple[str, ...] = ()

    def proxy_for(self, url: str) -> Proxy | None:
        """The proxy to ask this address through; None where it is asked directly.

        Only http and https go through it: git's ssh and local paths do not.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or self.is_direct(parts.hostname or ""):
            return None
        return self.proxy

    def is_direct(self, host: str) -> bool:
        """Whether a host, a name or an address without its port, is asked without the proxy."""
        name = host.rstrip(".").lower()
        return self.proxy is None or _is_local(name) or covers(self.exceptions, name)

    def environment(self, own: Mapping[str, str]) -> dict[str, str]:
        """An environment for a program that reads its proxy there: ours, and no other.

        Args:
            own: the environment of this process.
        """
        left = {name: own[name] for name in own if name not in {*_VARIABLES, *_OTHERS}}
        if self.proxy is None:
            return left
        direct = ",".join(("localhost", "127.0.0.1", "::1", *self.exceptions))
        return left | dict.fromkeys(_VARIABLES, self.proxy.url) | {"no_proxy": direct}


DIRECT = ProxyRules()
"""No proxy at all."""


def environment_of(proxy: Proxy | None) -> dict[str, str]:
    """The variables with which curl asks every address through a proxy; empty without one."""
    return {} if proxy is None else {"https_proxy": proxy.url, "http_proxy": proxy.url}


def variables_set(own: Mapping[str, str]) -> list[str]:
    """The names of the variables that would set a proxy for other programs."""
    names = (*_VARIABLES, "all_proxy", "ALL_PROXY")
    return [name for name in names if own.get(name)]


def covers(exceptions: tuple[str, ...], host: str) -> bool:
    """Whether one of the entries of a `no_proxy` list covers a host."""
    return any(_covers(entry.lower(), host) for entry in exceptions)


def _covers(entry: str, host: str) -> bool:
    address, network = _address(host), _network(entry)
    if address is not None or network is not None:
        return address is not None and network is not None and address in network
    return host.endswith(f".{entry.lstrip('.')}") or host == entry


def _is_local(host: str) -> bool:
    address = _address(host)
    return host == _LOCAL or (address is not None and address.is_loopback)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
