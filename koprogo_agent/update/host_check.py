"""Whether the machine can give what a deployment needs; asked before anything is held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from koprogo_agent.domain.host import PAUSED, Host, Objection, new_networks, objections
from koprogo_agent.errors import AgentError, NeedsOperator, RetryLater
from koprogo_agent.update.job import Job, model_of


def check_host(job: Job, model: Mapping[str, Any]) -> None:
    """Make sure that the machine can run a model.

    Raises:
        NeedsOperator: something else has a port or a name, a network or volume is missing, or a
            disk that the agent writes to is read-only.
        RetryLater: a container is paused, and nothing else is in the way (code
            `container.paused`); or the engine has no addresses for a network that the model adds.
    """
    host = job.world.stack.host()
    found = _objections(job, model, host)
    if found:
        waits = all(one.code == PAUSED for one in found)
        raise _error(found, RetryLater if waits else NeedsOperator)
    for name, definition in new_networks(model, host).items():
        job.world.stack.try_network(name, definition)
    for folder in (job.settings.stack.directory, job.settings.backup.directory):
        job.world.files.check_writable(folder)


def check_host_again(job: Job) -> None:
    """Make sure of it once more right before the hold: hours may have gone by since.

    A model that cannot be rendered now is the switch's matter, as it was before.

    Raises:
        RetryLater: something is in the way. The operation is not begun, whatever its kind: a heal
            that needs a person would end HELD.
    """
    try:
        model = model_of(job, job.target)
    except NeedsOperator:
        return
    found = _objections(job, model, job.world.stack.host())
    if found:
        raise _error(found, RetryLater)


def _objections(job: Job, model: Mapping[str, Any], host: Host) -> tuple[Objection, ...]:
    previous = job.operation.previous
    dropped = previous.pins if previous is not None else ()
    return objections(model, job.settings.stack.project, host, dropped)


def _error(found: Iterable[Objection], kind: type[NeedsOperator | RetryLater]) -> AgentError:
    """One error for all objections, with the code of the worst: what only a person can mend."""
    worst_first = sorted(dict.fromkeys(found), key=lambda one: one.code == PAUSED)
    words = "; ".join(one.words for one in worst_first)
    advice = "; ".join(one.advice for one in worst_first)
    return kind(words, code=worst_first[0].code, advice=advice)
