"""Judging the stack while a file of the operator's is missing: that is not the release's fault.

Without its env file Compose renders nothing, so what must run is taken from the deployment and its
containers. The step goes on, nothing is rolled back, and the operator is told once.
"""

from __future__ import annotations

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.gate import Expectation
from koprogo_agent.domain.overlay import expectation
from koprogo_agent.domain.plan import Kind, Step, stops_something
from koprogo_agent.domain.states import Course
from koprogo_agent.errors import AgentError, NeedsOperator, RetryLater, StepFailed
from koprogo_agent.update.asked import operators_own
from koprogo_agent.update.job import UNUSABLE, Job, absent_services, model_of, unusable
from koprogo_agent.update.standing import Standing

OPERATORS = frozenset(
    {
        *("compose.env_file_missing", "compose.variable_missing", "compose.file_missing"),
        UNUSABLE,
    }
)
"""Codes of errors that only the operator's own files can cause."""
_NAME = "operator.files"


def expected_of(
    job: Job, deployment: Deployment, closed: frozenset[str] = frozenset()
) -> Expectation:
    """What must run of a deployment, as its files and the operator's ask for it now.

    A service of the operator's own keeps nobody out on a way back, and takes back nothing that is
    installed: that it is down is said all the same, at every tick.
    """
    state = job.operation.state
    spared = state.course is Course.BACK or state.watches
    try:
        absent = absent_services(job, deployment)
        own = operators_own(job, deployment) if spared else frozenset()
        expected = expectation(model_of(job, deployment), closed | absent | own)
    except NeedsOperator as error:
        return expected_without_files(job, deployment, closed, error)
    files_are_there(job)
    return expected


def waits_for_files(job: Job, error: AgentError) -> AgentError:
    """Turns an error of the operator's files into a wait for them, once users may notice.

    Before anything has stopped, the operation ends and is tried again. After that, taking a
    release back needs the same files as keeping it.
    """
    state = job.operation.state
    if isinstance(error, StepFailed) and error.code == "compose.invalid" and _had_files(job):
        error = unusable(error)
    hot = state.course is not Course.FORWARD or stops_something(state.plan, state.action.step)
    if error.code not in OPERATORS or not (hot or job.operation.kind is Kind.HEAL):
        return error
    _say(job, error, "the agent waits for it and then goes on by itself")
    return RetryLater(error.message, code=error.code, advice=error.advice)


def _had_files(job: Job) -> bool:
    """Whether Compose could use the files when the release was staged; a rehearsal has its own."""
    step = job.operation.state.action.step
    return job.operation.target is not None and step not in {Step.STAGE, Step.REHEARSE}


def expected_without_files(
    job: Job, deployment: Deployment, closed: frozenset[str], error: NeedsOperator
) -> Expectation:
    """What must run, taken from the containers, after Compose could not render the model.

    Raises:
        NeedsOperator: it was for another reason.
    """
    if error.code not in OPERATORS:
        raise error
    _say(job, error, f"{job.operation.tag} is judged by its containers; it is not taken back")
    containers = job.world.stack.containers(job.settings.stack.project)
    one_shots = {one.service for one in containers if one.may_end}
    names = frozenset(deployment.pins) - closed
    return Expectation(names - one_shots, names & one_shots)


def files_are_there(job: Job) -> None:
    """The model could be rendered: should a file go missing again, that is news again."""
    Standing(job.journal).hears(_NAME, "", job.world.clock.now())


def _say(job: Job, error: AgentError, consequence: str) -> None:
    if Standing(job.journal).hears(_NAME, error.message, job.world.clock.now()):
        what = "cannot be used" if error.code == UNUSABLE else "is missing"
        body = f"{error.message}\n{error.advice}\n{consequence}"
        job.world.notifier.tell(f"KoproGo: a file of yours {what}", body)
