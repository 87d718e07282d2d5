"""What a failed pull means: from the engine's words, and where they do not tell, by asking.

The engine passes on neither the status nor the headers of a registry's answer. So a registry that
limits, or whose words mean nothing, is asked once more what it answers, and how long to wait.
"""

from __future__ import annotations

import re

from koprogo_agent.adapters.images.question import ask
from koprogo_agent.adapters.images.reference import registry
from koprogo_agent.domain.proxy import DIRECT, ProxyRules
from koprogo_agent.errors import DISK_FULL, READ_ONLY, AgentError, NeedsOperator, RetryLater

_LONGEST = 300
MISSING = "registry.image_missing"
"""Code of the fault that the registry has no such image, at least not yet."""

_NO_SPACE = re.compile("no space left on device")
_LIMITED = re.compile(r"(?i)toomanyrequests|too many requests|HTTP (?:status: )?429|rate limit")
_DENIED = re.compile(
    r"(?i)unauthorized|authentication required|no basic auth credentials|denied|HTTP 40[13]"
)
_MISSING = re.compile(r"(?i)manifest unknown|name unknown|not found|no matching manifest|HTTP 404")
_PROXY_LOGIN = re.compile(r"(?i)proxy authentication required|HTTP 407")
_PROXY_GONE = re.compile(r"\bproxyconnect\b")
_MEANINGLESS = re.compile(r"\bunknown: ")

_SAID = {429: "toomanyrequests", 401: "unauthorized", 403: "denied", 404: "not found"}


def of_pull(reference: str, words: str, rules: ProxyRules = DIRECT) -> AgentError:
    """The error that the engine's words about a failed pull stand for.

    Args:
        reference: the image.
        words: the engine's.
        rules: which proxy the registry is asked through, where the words do not tell.
    """
    return _of_proxy(reference, words) or _of_registry(reference, words, rules)


def _of_registry(reference: str, words: str, rules: ProxyRules) -> AgentError:
    # what is being pulled may itself read like a fault
    said = words.replace(reference, "")
    answer = ask(reference, rules) if _LIMITED.search(said) or _is_meaningless(said) else None
    if answer is not None and _is_meaningless(said):
        said = _SAID.get(answer.status, said)
    where, words = registry(reference), words.strip()[:_LONGEST]
    if _NO_SPACE.search(said):
        return NeedsOperator(
            f"the disk is full: {words}",
            code=DISK_FULL,
            advice="make room; `docker system df` shows what docker uses",
        )
    if "read-only file system" in said.lower():
        return NeedsOperator(
            f"the engine's disk is read-only: {words}",
            code=READ_ONLY,
            advice="see why: dmesg | tail, findmnt -O ro; then mount it for writing again",
        )
    if _LIMITED.search(said):
        return RetryLater(
            f"{where} limits how often images may be pulled: {words}",
            code="registry.rate_limited",
            after=answer.retry_after if answer else None,
        )
    if _DENIED.search(said):
        return NeedsOperator(
            f"{where} does not let this machine pull {reference}: {words}",
            code="registry.unauthorized",
            advice=f"docker login {where}",
        )
    if _MISSING.search(said):
        return RetryLater(f"{where} does not have {reference} (yet): {words}", code=MISSING)
    return RetryLater(f"cannot pull {reference} from {where}: {words}", code="registry.unreachable")


def _of_proxy(reference: str, words: str) -> RetryLater | None:
    """The engine's own proxy is at fault: it is dockerd that pulls, by its own settings."""
    wants_login = _PROXY_LOGIN.search(words)
    if not wants_login and not _PROXY_GONE.search(words):
        return None
    why = "wants a name and password" if wants_login else "cannot be reached"
    return RetryLater(
        f"the engine's own proxy, through which it pulls {reference}, {why}:"
        f" {words.strip()[:_LONGEST]}",
        code="registry.proxy",
        advice="see which: docker info | grep -i proxy; what to write where: koprogo-agent doctor",
    )


def _is_meaningless(words: str) -> bool:
    telling = (_NO_SPACE, _LIMITED, _DENIED, _MISSING)
    return bool(_MEANINGLESS.search(words)) and not any(one.search(words) for one in telling)


def stalled(reference: str, seconds: float) -> RetryLater:
    """A pull of which nothing was heard for too long."""
    return RetryLater(
        f"the pull of {reference} broke off, or stood still for {seconds:g} s",
        code="registry.unreachable",
        advice=f"check the connection to {registry(reference)}",
    )


def dripping(reference: str, pace: float) -> RetryLater:
    """A pull that goes on, and would not end within a day."""
    return RetryLater(
        f"the pull of {reference} was given up: less than {pace:g} bytes a second came",
        code="registry.unreachable",
        advice=f"check the connection to {registry(reference)}",
    )


def too_large(reference: str, size: int) -> RetryLater:
    """A pull that would go on until the disk is full."""
    return RetryLater(
        f"the pull of {reference} was given up: more than {size} bytes came",
        code="registry.limit",
        advice=f"ask the release manager whether {registry(reference)} is in order",
    )


def unreadable_credentials(error: Exception) -> NeedsOperator:
    """Docker's configuration, or the credential helper that it names, does not work."""
    return NeedsOperator(
        f"cannot read docker's credentials: {str(error)[:_LONGEST]}",
        code="registry.unauthorized",
        advice="check the file config.json in ~/.docker, and the credential helper that it names",
    )
