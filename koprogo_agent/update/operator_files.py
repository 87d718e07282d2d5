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
from koprogo_agent.update.job import (
    UNUSABLE,
    Job,
    absent_services,
    model_of,
    staged_project,
    unusable,
)
from koprogo_agent.update.looking import OWN_FALLEN
from koprogo_agent.update.standing import Standing

OPERATORS = frozenset(
    {
        *("compose.env_file_missing", "compose.variable_missing", "compose.file_missing"),
        UNUSABLE,
    }
)
"""Codes of errors that only the operator's own files can cause."""
CHANGED = "operator.files_changed"
"""Code of the fault that a step failed while the operator changed their files."""
_NAME = "operator.files"


def expected_of(
    job: Job, deployment: Deployment, closed: frozenset[str] = frozenset()
) -> Expectation:
    """What must run of a deployment, as its files and the operator's ask for it now."""
    try:
        absent = absent_services(job, deployment)
        left_out = closed | absent | spared_services(job, deployment)
        expected = expectation(model_of(job, deployment), left_out)
    except NeedsOperator as error:
        return expected_without_files(job, deployment, closed, error)
    files_are_there(job)
    return expected


def spared_services(job: Job, deployment: Deployment) -> frozenset[str]:
    """The services of the operator's own, where they decide nothing.

    They keep no user out on a way back or a way on, or where the stack is put right, and take back
    nothing to which users were let through.
    """
    operation = job.operation
    state = operation.state
    users_have_it = state.opened or state.watches
    spares = state.course is not Course.FORWARD or operation.kind is Kind.HEAL or users_have_it
    return operators_own(job, deployment) if spares else frozenset()


def waits_for_files(job: Job, error: AgentError) -> AgentError:
    """Turns an error of the operator's files into a wait for them, once users may notice.

    Before anything has stopped, the operation ends and is tried again. After that, taking a
    release back needs the same files as keeping it.
    """
    state = job.operation.state
    if isinstance(error, StepFailed) and error.code == "compose.invalid" and _had_files(job):
        error = unusable(error)
    hot = state.course is not Course.FORWARD or stops_something(state.plan, state.action.step)
    error = _unless_changed(job, error)
    if error.code not in OPERATORS or not (hot or job.operation.kind is Kind.HEAL):
        return error
    _say(job, error, "the agent waits for it and then goes on by itself")
    return RetryLater(error.message, code=error.code, advice=error.advice)


def _had_files(job: Job) -> bool:
    """Whether Compose could use the files when the release was staged; a rehearsal has its own."""
    step = job.operation.state.action.step
    return job.operation.target is not None and step not in {Step.STAGE, Step.REHEARSE}


def _unless_changed(job: Job, error: AgentError) -> AgentError:
    """Turns what may come of other files than the step went by into a fault to be tried again.

    Compose reads the operator's files whenever it is called: if they have changed since they were
    rendered, it starts other services than those that the step waits for.
    """
    suspect = isinstance(error, StepFailed) or error.code == OWN_FALLEN
    if not suspect or job.operation.target is None or not _have_changed(job):
        return error
    job.models.clear()
    return RetryLater(
        f"your env file or an override file was changed meanwhile, and {error.message}",
        code=CHANGED,
        advice="the agent tries it again by itself",
    )


def _have_changed(job: Job) -> bool:
    """Whether Compose renders something else now of what is to run."""
    operation = job.operation
    back = operation.state.course is Course.BACK
    deployment = (operation.previous if back else None) or job.target
    try:
        return job.world.stack.render(staged_project(job, deployment)) != model_of(job, deployment)
    except AgentError:
        return False


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
