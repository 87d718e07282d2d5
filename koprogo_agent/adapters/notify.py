"""Tells the operator through apprise: mail, chat, push, whatever the operator configured.

It runs as a program of its own: apprise brings some hundred modules that the small daemon would
carry for ever, some of its services know no time limit, and what it prints may hold an address.
Addresses are secrets: they go through standard input, and nothing that is said there is logged.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

import structlog
from pydantic import SecretStr

from koprogo_agent import places, process, redact
from koprogo_agent.domain.proxy import DIRECT, ProxyRules
from koprogo_agent.errors import AgentError

_SECONDS = 60.0
_SENDER = f"{__name__}_sender"

_log = structlog.get_logger(__name__)


class AppriseNotifier:
    """Implements `ports.Notifier`."""

    def __init__(
        self,
        urls: Sequence[SecretStr],
        about: str,
        rules: ProxyRules = DIRECT,
        seconds: float = _SECONDS,
    ) -> None:
        """Nothing is sent yet.

        Args:
            urls: apprise's addresses.
            about: which stack of which machine; the last line of every message.
            rules: which proxy they are sent through; mail goes without one.
            seconds: within which all of them must be told; what takes longer is given up.
        """
        self._urls = urls
        self._about = about
        self._rules = rules
        self._seconds = seconds

    def tell(self, title: str, body: str) -> None:
        """Sends a message to every address. Never raises; failures are logged by number."""
        if not self._urls:
            return
        urls = [url.get_secret_value() for url in self._urls]
        whole = f"{body}\n\n{self._about}".strip()
        told = {"title": _harmless(title), "body": _harmless(whole)}
        message = json.dumps({"urls": urls, **told})
        argv = (sys.executable, "-m", _SENDER)
        env = self._rules.environment(os.environ)
        try:
            done = process.run(argv, env=env, timeout=self._seconds, stdin=message.encode())
        except process.Overrun:
            _log.warning("notify.failed", why=f"not all told within {self._seconds:g} s")
        except (AgentError, OSError) as error:
            _log.warning("notify.failed", why=str(error))
        else:
            if done.returncode:
                _log.warning("notify.failed", channels=_failed(done.stdout))


def _harmless(text: str) -> str:
    """What a registry or a container said may be part of it, and goes where a person reads."""
    return redact.printable(places.typed_here(redact.text(text)), keep_lines=True)


def _failed(printed: bytes) -> str:
    """The numbers of the addresses that were not told, as the sender prints them."""
    words = printed.decode(errors="replace").split()
    return ", ".join(word for word in words if word.isdecimal()) or "all"
