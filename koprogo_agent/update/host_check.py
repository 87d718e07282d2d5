"""Whether the machine can give what a deployment needs; asked before anything is held."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.host import PAUSED, Objection, new_networks, objections, strangers
from koprogo_agent.errors import AgentError, NeedsOperator, RetryLater
from koprogo_agent.update.job import Job, model_of
from koprogo_agent.update.networks import networks_to_renew


def check_host(job: Job, deployment: Deployment) -> None:
    """Make sure that the machine can run a deployment.

    Raises:
        NeedsOperator: something else has a port or a name, or is in a network that is to be made
            anew; a network or volume is missing, or a disk that the agent writes to is read-only.
        RetryLater: a container is paused, and nothing else is in the way (code
            `container.paused`); or the engine has no addresses for a network that is to be made.
    """
    renewed = networks_to_renew(job, deployment)
    found = _objections(job, deployment, renewed)
    if found:
        waits = all(one.code == PAUSED for one in found)
        raise _error(found, RetryLater if waits else NeedsOperator)
    _try_networks(job, deployment, renewed)
    for folder in (job.settings.stack.directory, job.settings.backup.directory):
        job.world.files.check_writable(folder)


def check_host_again(job: Job, renewed: Collection[str]) -> None:
    """Make sure of it once more right before the hold: hours may have gone by since.

    A model that cannot be rendered now is the switch's matter, as it was before.

    Args:
        job: the operation.
        renewed: the networks that are to be made anew.

    Raises:
        RetryLater: something is in the way. The operation is not begun, whatever its kind: a heal
            that needs a person would end HELD.
    """
    try:
        found = _objections(job, job.target, renewed)
    except NeedsOperator:
        return
    if found:
        raise _error(found, RetryLater)
    if renewed:
        _try_networks(job, job.target, renewed)


def _objections(
    job: Job, deployment: Deployment, renewed: Collection[str]
) -> tuple[Objection, ...]:
    model, project = model_of(job, deployment), job.settings.stack.project
    previous, host = job.operation.previous, job.world.stack.host()
    dropped = previous.pins if previous is not None else ()
    inside = strangers(model, project, host, renewed, dropped)
    return (*objections(model, project, host, dropped), *inside)


def _try_networks(job: Job, deployment: Deployment, renewed: Collection[str]) -> None:
    """Have the engine make what is to be made, while everything still runs on what is there."""
    stack = job.world.stack
    made = new_networks(model_of(job, deployment), stack.host(), renewed)
    for name, definition in made.items():
        stack.try_network(name, definition)


def _error(found: Iterable[Objection], kind: type[NeedsOperator | RetryLater]) -> AgentError:
    """One error for all objections, with the code of the worst: what only a person can mend."""
    worst_first = sorted(dict.fromkeys(found), key=lambda one: one.code == PAUSED)
    words = "; ".join(one.words for one in worst_first)
    advice = "; ".join(one.advice for one in worst_first)
    return kind(words, code=worst_first[0].code, advice=advice)
