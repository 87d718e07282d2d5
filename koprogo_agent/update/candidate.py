"""The target as a compose project whose containers can run before its files are laid."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from koprogo_agent.domain.relocation import escaped, with_mounts_at
from koprogo_agent.ports import Project
from koprogo_agent.update.job import CANDIDATE, Job, model_of, project
from koprogo_agent.update.pins import write_pins

_FILE = "candidate-model.json"


@contextmanager
def candidate_project(job: Job) -> Iterator[Project]:
    """The project of the target, inside a `with` block.

    Its containers mount the files that the release brings from where they are staged: in the
    stack's folder are those of the release before. Compose is given the rendered model, since it
    would read more of the stack's folder by itself (`include`, `extends`, `env_file`).
    """
    files, target = job.world.files, job.target

    def place(path: str) -> str:
        return str(files.readable_at(target.tag, Path(path)))

    model = escaped(with_mounts_at(model_of(job, target), place))
    path = files.write_override(_FILE, json.dumps(model, indent=1, sort_keys=True).encode())
    pins = write_pins(job, CANDIDATE, target)
    try:
        yield replace(project(job.settings, (), target.image_tag), files=(path, pins))
    finally:
        # It has the values of the operator's env files.
        files.forget_override(_FILE)
