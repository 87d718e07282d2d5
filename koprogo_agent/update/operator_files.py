"""Judging the stack while a file of the operator's is missing: that is not the release's fault.

Without its env file Compose renders nothing, so what must run is taken from the deployment and its
containers. The step goes on, nothing is rolled back, and the operator is told once.
"""

from __future__ import annotations

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.gate import Expectation
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.update.job import Job
from koprogo_agent.update.standing import Standing

MISSING = {"compose.env_file_missing", "compose.variable_missing"}
"""Codes of errors that only the operator's own files can cause."""
_NAME = "operator.files"


def expected_without_files(
    job: Job, deployment: Deployment, closed: frozenset[str], error: NeedsOperator
) -> Expectation:
    """What must run, taken from the containers, after Compose could not render the model.

    Raises:
        NeedsOperator: it was for another reason.
    """
    if error.code not in MISSING:
        raise error
    _say(job, error)
    containers = job.world.stack.containers(job.settings.stack.project)
    one_shots = {one.service for one in containers if one.may_end}
    names = frozenset(deployment.pins) - closed
    return Expectation(names - one_shots, names & one_shots)


def files_are_there(job: Job) -> None:
    """The model could be rendered: should a file go missing again, that is news again."""
    Standing(job.journal).hears(_NAME, "", job.world.clock.now())


def _say(job: Job, error: NeedsOperator) -> None:
    if Standing(job.journal).hears(_NAME, error.message, job.world.clock.now()):
        goes_on = f"{job.operation.tag} stays installed and is watched on; nothing is rolled back"
        body = f"{error.message}\n{error.advice}\n{goes_on}"
        job.world.notifier.tell("KoproGo: a file of yours is missing", body)
