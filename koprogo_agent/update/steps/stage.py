"""Stage: the release's files, from git objects, checked against the manifest and by compose."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from dotenv import dotenv_values

from koprogo_agent.domain.deployment import Deployment, ServicePin
from koprogo_agent.domain.overlay import (
    mounted_paths,
    replicas,
    repository,
    services,
    unsupported,
)
from koprogo_agent.domain.shared import redefined_volumes
from koprogo_agent.domain.states import Truth
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.errors import AgentError, NeedsOperator, Refused, StepFailed
from koprogo_agent.update.asked import model_without_overrides, operators_own, tagged_images
from koprogo_agent.update.host_check import check_host
from koprogo_agent.update.job import Found, Job, model_of, staged_project
from koprogo_agent.update.operation import Facts


def do(job: Job) -> Facts:
    """Stages the files, and drafts the deployment with image references as the release says."""
    release = _release(job)
    draft = _stage_files(job, release)
    _check_variables(job, draft)
    model = model_of(job, draft)
    _check_images(job, draft, model)
    _check_supported(job, draft, model)
    _check_volumes(job, model)
    check_host(job, draft)
    references = _references(job, release, draft, model)
    if not references:
        raise StepFailed(
            f"no service of the compose files runs an image of {release.tag}",
            code="stage.no_image",
            advice="if stack.compose_files in the configuration names the right files, report this"
            " to the association",
        )
    # What is scaled to nothing is as asked for when it has no container.
    pins = {
        name: ServicePin(references.get(name, str(service.get("image", ""))), None)
        for name, service in services(model).items()
        if replicas(service)
    }
    target = asdict(draft) | {"pins": {name: asdict(one) for name, one in pins.items()}}
    return {"target": target, "references": references, "files": len(draft.files)}


def undo(job: Job) -> Facts:
    """Forgets the files, unless they are those of a deployment that is still needed."""
    needed = {kept.tag for kept in (job.operation.previous, job.journal.installed) if kept}
    if job.operation.tag not in needed:
        job.world.files.unstage(job.operation.tag)
    return {}


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """Staging is cheap: it is done again."""
    return Found(Truth.NOT_DONE)


def _check_volumes(job: Job, model: Mapping[str, Any]) -> None:
    """Compose would go on with a volume as it is, or with an empty one."""
    if job.operation.previous is None:
        return
    before, tag = model_of(job, job.operation.previous), job.operation.tag
    if found := redefined_volumes(before, model):
        raise StepFailed(
            f"{tag} redefines the volume {', '.join(found)}: what is in it would stay behind",
            code="stage.volume",
            advice="a release must leave volumes as they are; it may add others",
        )


def _release(job: Job) -> VerifiedRelease:
    if job.release is None:
        raise AssertionError("only a verified release is staged")
    return job.release


def _stage_files(job: Job, release: VerifiedRelease) -> Deployment:
    manifest = release.manifest
    if manifest is not None:
        files = {path: _signed_file(job, release, path) for path in manifest.files}
        missing = [p for p in job.settings.stack.compose_files if p not in files]
        if missing:
            raise NeedsOperator(
                f"release {release.tag} has no compose file {missing[0]}",
                code="stage.compose_file",
                advice="correct stack.compose_files in the configuration, and then: systemctl"
                f" restart koprogo-agent; the release has {_compose_files(files)}",
            )
        job.world.files.stage(release.tag, files)
        return _draft(job, release, files)
    read = job.world.source.read_file
    files = {path: read(release.commit, path) for path in job.settings.stack.compose_files}
    job.world.files.stage(release.tag, files)
    mounted = _mounted_files(job, release, model_of(job, _draft(job, release, files)))
    job.world.files.stage(release.tag, files | mounted)
    return _draft(job, release, files | mounted)


def _compose_files(files: Iterable[str]) -> str:
    """The files that may be compose files, in words."""
    found = sorted(path for path in files if path.endswith((".yml", ".yaml")))
    return ", ".join(found) or "none"


def _signed_file(job: Job, release: VerifiedRelease, path: str) -> bytes:
    content = job.world.source.read_file(release.commit, path)
    expected = release.manifest.files[path] if release.manifest else ""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise Refused(
            f"{path} of {release.tag} has SHA-256 {found}; the signed manifest says {expected}",
            code="file.mismatch",
        )
    return content


def _mounted_files(
    job: Job, release: VerifiedRelease, model: Mapping[str, Any]
) -> dict[str, bytes]:
    """What the compose files mount by relative path is exported from the tag with them."""
    root = str(job.settings.stack.directory)
    mounts = {path for one in services(model).values() for path in mounted_paths(one, model, root)}
    source = job.world.source
    paths = {path for mount in mounts for path in source.list_files(release.commit, mount)}
    return {path: source.read_file(release.commit, path) for path in sorted(paths)}


def _draft(job: Job, release: VerifiedRelease, files: Mapping[str, bytes]) -> Deployment:
    manifest = release.manifest
    folder = manifest.migrations.path if manifest else job.settings.migration.path
    image_tag = job.settings.stack.image_tag
    return Deployment(
        tag=release.tag,
        fingerprint=release.fingerprint,
        oid=release.oid,
        commit=release.commit,
        counter=manifest.counter if manifest else 0,
        image_tag=image_tag.format(tag=release.tag, version=release.version),
        files={path: hashlib.sha256(content).hexdigest() for path, content in files.items()},
        compose_files=job.settings.stack.compose_files,
        pins={},
        migrations=job.world.source.tree_id(release.commit, folder),
        works_with=manifest.migrations.works_with if manifest else (),
        era=release.era,
    )


def _references(
    job: Job, release: VerifiedRelease, draft: Deployment, model: Mapping[str, Any]
) -> dict[str, str]:
    """Service -> image reference, for the images that the release chooses."""
    if release.manifest is not None:
        by_repository = {image.repository: image for image in release.manifest.images.values()}
        return {
            name: by_repository[repository(str(service.get("image", "")))].reference
            for name, service in services(model).items()
            if repository(str(service.get("image", ""))) in by_repository
        }
    return tagged_images(job, draft)


def _check_images(job: Job, draft: Deployment, model: Mapping[str, Any]) -> None:
    """Every service names the image that it runs: the agent pulls, and never builds."""
    without = [name for name, service in services(model).items() if not service.get("image")]
    if not without:
        return
    own = [name for name in without if name in operators_own(job, draft)]
    if own:
        raise NeedsOperator(
            f"the service {own[0]} of your override file has no image: the agent builds none",
            code="stage.no_image_named",
            advice="build it yourself (docker build -t NAME FOLDER) and write image: NAME for"
            f" {own[0]} in that file; then: koprogo-agent update",
        )
    raise StepFailed(
        f"the service {without[0]} of {draft.tag} has no image: the agent builds none",
        code="stage.no_image_named",
        advice="nothing was stopped; report this to the association",
    )


def _check_supported(job: Job, draft: Deployment, model: Mapping[str, Any]) -> None:
    """What Compose would refuse in the middle of an exchange is refused now."""
    found = unsupported(model)
    if not found:
        return
    if found[0] in _unsupported_of_release(job, draft):
        advice = "nothing was stopped; report this to the association"
        raise StepFailed(found[0], code="stage.unsupported", advice=advice)
    raise NeedsOperator(
        found[0],
        code="stage.unsupported",
        advice="take it out of your override file; then: koprogo-agent update",
    )


def _unsupported_of_release(job: Job, draft: Deployment) -> tuple[str, ...]:
    """The same of the release alone; nothing where Compose cannot render it without overrides."""
    try:
        return unsupported(model_without_overrides(job, draft))
    except AgentError:
        return ()


def _check_variables(job: Job, draft: Deployment) -> None:
    """Every variable that the new files need must have a value, unless the old ones lacked it."""
    known = {*_operator_variables(job), *staged_project(job, draft).environment}
    lacking = set(_needed(job, draft)) - known
    previous = job.operation.previous
    if lacking and previous is not None:
        lacking -= set(_needed(job, previous))
    if lacking:
        names = ", ".join(sorted(lacking))
        where = ", ".join(map(str, job.settings.stack.env_files)) or "the env file"
        raise NeedsOperator(
            f"release {draft.tag} needs a value for {names}",
            code="env.variable_missing",
            advice=f"add a line NAME=value for each to {where}",
        )


def _needed(job: Job, deployment: Deployment) -> Iterable[str]:
    variables = job.world.stack.variables(staged_project(job, deployment))
    return [one.name for one in variables if one.needs_value]


def _operator_variables(job: Job) -> Iterable[str]:
    for path in job.settings.stack.env_files:
        yield from dotenv_values(path, interpolate=False)
