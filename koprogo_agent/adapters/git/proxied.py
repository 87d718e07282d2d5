"""What git's complaints mean where it asks the source through a proxy.

curl speaks to the proxy alone then: a connection that fails is one to the proxy, and its answer to
CONNECT stands in the complaint.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from koprogo_agent.domain.proxy import Proxy


class ProxyFault(NamedTuple):
    """A fault of the proxy: its code, what is said of it, and what to type."""

    code: str
    said: str
    advice: str


# "CONNECT tunnel failed, response" since curl 7.87, "Received HTTP code" before.
_ANSWERED = re.compile(
    r"(?:CONNECT tunnel failed, response|Received HTTP code) (\d{3})|returned error: (407)"
)
_UNRESOLVED = re.compile(r"Could not resolve proxy")
_UNREACHED = re.compile(r"Failed to connect to|Couldn't connect to server|Connection timed out")
_NO_PROXY_THERE = re.compile(r"Proxy CONNECT aborted|Unsupported proxy|Invalid response")
_WANTS_LOGIN = "407"
_LOGIN = "set proxy_user and proxy_password below [network]; then: koprogo-agent doctor"
_SECTION = "check proxy below [network]; then: koprogo-agent doctor"


def fault_of(words: str, url: str, proxy: Proxy) -> ProxyFault | None:
    """The fault of the proxy that git complains of; None where it is another's.

    Args:
        words: what git said.
        url: the source.
        proxy: what it was asked through.
    """
    where = proxy.address
    if _UNRESOLVED.search(words):
        said = f"the name of the proxy {where} cannot be resolved"
        return ProxyFault("source.proxy_unreachable", said, f"{_SECTION}, or this machine's DNS")
    if answered := _ANSWERED.search(words):
        return _answered(answered[1] or answered[2], url, proxy)
    if _NO_PROXY_THERE.search(words):
        said = f"what answers at {where} is no HTTP proxy"
        return ProxyFault("source.proxy_unreachable", said, _SECTION)
    if _UNREACHED.search(words):
        said = f"the proxy {where} cannot be reached"
        return ProxyFault("source.proxy_unreachable", said, _SECTION)
    return None


def _answered(status: str, url: str, proxy: Proxy) -> ProxyFault:
    parts = urlsplit(url)
    target = f"{parts.hostname}:{parts.port or (80 if parts.scheme == 'http' else 443)}"
    if status == _WANTS_LOGIN:
        wants = (
            "wants a name and password" if proxy.user is None else f"does not let {proxy.user} in"
        )
        said = f"the proxy {proxy.address} {wants}"
        return ProxyFault("source.proxy_denied", said, _LOGIN)
    if status.startswith("4"):
        said = f"the proxy {proxy.address} does not allow a connection to {target}"
        advice = f"have its administrator allow CONNECT to {target}"
        return ProxyFault("source.proxy_refused", said, advice)
    said = f"the proxy {proxy.address} cannot reach {target}"
    advice = f"check that host; if it is on this network, name it in no_proxy: {parts.hostname}"
    return ProxyFault("source.proxy_failed", said, advice)
