"""What a step is given: the operation, the world, the settings; and the projects it acts on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from koprogo_agent.domain.deployment import Deployment, unchanged_services
from koprogo_agent.domain.overlay import services, wanted
from koprogo_agent.domain.plan import Kind
from koprogo_agent.domain.states import Course, Truth
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.errors import NeedsOperator, StepFailed
from koprogo_agent.ports import DatabaseAt, Project
from koprogo_agent.settings import Settings
from koprogo_agent.settings.sections import Stack
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.operation import Facts, Operation
from koprogo_agent.update.world import Watcher, World

PINS, CANDIDATE = "pins.json", "candidate.json"
"""Override files: with the pins of what runs, and with those of what is to run."""
UNUSABLE = "compose.operator_files"
"""Code of the fault that Compose can no longer use files that it could use before."""

Models = dict[tuple[str, ...], Mapping[str, Any]]
"""Rendered compose models; each costs a process of some 100 ms."""


@dataclass(frozen=True)
class Job:
    """One action's circumstances.

    Attributes:
        release: the verified release; only there while nothing has stopped, which is when it
            is needed.
        models: the compose models that were rendered for this operation.
    """

    operation: Operation
    world: World
    settings: Settings
    journal: Journal
    watcher: Watcher
    release: VerifiedRelease | None = None
    models: Models = field(default_factory=dict)

    @property
    def database(self) -> DatabaseAt:
        """Where the application's PostgreSQL is."""
        return DatabaseAt(self.settings.stack.project, self.settings.database.service)

    @property
    def target(self) -> Deployment:
        """What is to run; known from the step `pull` on."""
        if self.operation.target is None:
            raise AssertionError("a step that needs the target runs after the step that makes it")
        return self.operation.target


@dataclass(frozen=True)
class Found:
    """What a step's probe finds: whether its effect is there, and what it would have learned."""

    truth: Truth
    facts: Facts = field(default_factory=dict)


class StepWork(Protocol):
    """The contract of a step; each module of `update.steps` is one.

    `do` and `undo` may be repeated: after a crash they find their own half-made effect and go on
    from there, or make it anew.
    """

    def do(self, job: Job) -> Facts | None:
        """Has the effect, and returns what was learned; None: not yet at its end, call again."""

    def undo(self, job: Job) -> Facts:
        """Takes the effect back; nothing to take back is success."""

    def probe(self, job: Job) -> Found:
        """Whether the effect is there, asked of the machine itself."""


def project(settings: Settings, files: Sequence[Path], image_tag: str, *more: Path) -> Project:
    """The operator's compose project with these release files and further files after them."""
    stack = settings.stack
    return Project(
        name=stack.project,
        directory=stack.directory / _folder(stack),
        files=(*files, *stack.overrides, *more),
        env_files=stack.env_files,
        environment={stack.image_tag_variable: image_tag},
    )


def viewed_project(world: World, settings: Settings, deployment: Deployment) -> Project:
    """The project of a deployment whose files are staged, as it will be once they are laid."""
    root, stack = world.files.view(deployment.tag), settings.stack
    paths = [root / path for path in deployment.compose_files]
    plain = project(settings, paths, deployment.image_tag)
    return replace(plain, directory=root / _folder(stack), view=(root, stack.directory))


def staged_project(job: Job, deployment: Deployment, *more: Path) -> Project:
    """The project of a deployment whose files are staged; its pins only if given."""
    plain = viewed_project(job.world, job.settings, deployment)
    return replace(plain, files=(*plain.files, *more))


def unlaid_project(job: Job, deployment: Deployment, *more: Path) -> Project:
    """The compose files of a staged deployment, in the stack's folder as it is now."""
    files = job.world.files
    paths = [files.staged_path(deployment.tag, path) for path in deployment.compose_files]
    return project(job.settings, paths, deployment.image_tag, *more)


def _folder(stack: Stack) -> Path:
    """The project's folder, in the stack's: that of its first compose file, as for Compose."""
    return Path(stack.compose_files[0]).parent


def laid_project(job: Job, deployment: Deployment, override: Path) -> Project:
    """The project of a deployment as it runs: laid files, and its pins."""
    paths = [job.world.files.stack_path(path) for path in deployment.compose_files]
    return project(job.settings, paths, deployment.image_tag, override)


def model_of(job: Job, deployment: Deployment) -> Mapping[str, Any]:
    """The rendered compose model of a deployment, without its pins; rendered once an operation."""
    # What is staged under a tag does not change while the operation lasts.
    key = (deployment.tag, deployment.image_tag, *deployment.compose_files)
    if key not in job.models:
        job.models[key] = _render(job, deployment)
    return job.models[key]


def _render(job: Job, deployment: Deployment) -> Mapping[str, Any]:
    """Renders it; what only the operator can have changed is not put down to the release.

    Staged files do not change. So once they were rendered, only the operator's own files can be
    the reason. They are it as well if those of the release before cannot be rendered either, or if
    the release can be rendered without them: an override may name a service that it has dropped.
    """
    try:
        return job.world.stack.render(staged_project(job, deployment))
    except StepFailed as error:
        previous = job.operation.previous
        if job.operation.target is not None or deployment.tag != job.operation.tag:
            raise unusable(error) from error
        if previous is not None:
            model_of(job, previous)
        if _renders_alone(job, deployment):
            raise unusable(error) from error
        raise


def _renders_alone(job: Job, deployment: Deployment) -> bool:
    """Whether a release can be rendered without the operator's override files."""
    try:
        job.world.stack.render(without_overrides(job, deployment))
    except StepFailed:
        return False
    return bool(job.settings.stack.overrides)


def without_overrides(job: Job, deployment: Deployment) -> Project:
    """The project of a staged deployment as the release alone has it."""
    whole = staged_project(job, deployment)
    overrides = job.settings.stack.overrides
    return replace(whole, files=tuple(path for path in whole.files if path not in overrides))


def unusable(error: StepFailed) -> NeedsOperator:
    """The operator's files as the reason why Compose cannot render a release that it could."""
    return NeedsOperator(
        f"your env file or an override file does not go with the release: {error.message}",
        code=UNUSABLE,
        advice="correct it (stack.env_files and stack.overrides name them); to see it checked:"
        " koprogo-agent doctor",
    )


def as_asked_for(job: Job, deployment: Deployment) -> Deployment:
    """The deployment without services for which its files and the operator's no longer ask.

    The operator may have switched a profile off, scaled a service to nothing, or taken it out of an
    override file.
    """
    asked = wanted(model_of(job, deployment))
    pins = {name: pin for name, pin in deployment.pins.items() if name in asked}
    return replace(deployment, pins=pins)


def absent_services(job: Job, deployment: Deployment) -> frozenset[str]:
    """Services of its files that it does not run: those without a container in an adopted stack.

    `docker container prune` takes a one-shot that has ended, for one.
    """
    return frozenset(services(model_of(job, deployment))) - deployment.pins.keys()


def previous_of(job: Job) -> Deployment:
    """What ran before; only asked on a way back, which an installation does not have."""
    if job.operation.previous is None:
        raise AssertionError("there is no way back to nothing")
    return job.operation.previous


def left_alone(job: Job) -> frozenset[str]:
    """The services that the target does not exchange: what falls of them is not put down to it.

    None on a way back, where nobody is blamed; nor in healing, which exchanges nothing: what has
    fallen is the matter there.
    """
    operation = job.operation
    if operation.state.course is not Course.FORWARD or operation.kind is Kind.HEAL:
        return frozenset()
    return unchanged_services(operation.previous, job.target)


def running_of(job: Job, services: Iterable[str]) -> list[str]:
    """Those of the services that run, or are about to."""
    names = set(services)
    containers = job.world.stack.containers(job.settings.stack.project)
    up = {"running", "restarting"}
    return [one.service for one in containers if one.service in names and one.state in up]
