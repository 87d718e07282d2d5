"""What a release deploys: the compose files and what they mount, and files named beside them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from koprogo_agent import docker_api
from koprogo_agent.adapters.compose.stack import ComposeStack
from koprogo_agent.adapters.images.reference import split
from koprogo_agent.domain.manifest import is_safe_path
from koprogo_agent.domain.overlay import mounted_paths, repository, services
from koprogo_agent.errors import AgentError, Refused
from koprogo_agent.ports import Project
from koprogo_agent.release.clone import Clone, Entry, irregular, regular
from koprogo_agent.release.settings import ReleaseSettings

_ANY = "1"
"""A value that serves as a name, a number, a port and a secret alike."""
_ADVICE = {
    "compose.variable_missing": "give it a value in koprogo-release.toml: [values]",
    "compose.env_file_missing": "commit it and name it under files in koprogo-release.toml; if each"
    " operator writes it: required: false in the compose file",
}
"""What a release manager does where the adapter's advice is for an operator; by code."""


@dataclass(frozen=True)
class Deployed:
    """What is deployed from a commit.

    Attributes:
        hashes: path -> SHA-256 (hex) of each file.
        images: service -> image reference, as Compose renders it; empty where there is no stack.
    """

    hashes: Mapping[str, str]
    images: Mapping[str, str]

    @property
    def repositories(self) -> frozenset[str]:
        """The repositories of the images that the services run."""
        return frozenset(map(repository, self.images.values()))

    def tag_of(self, wanted: str) -> str | None:
        """Return the tag or digest at which the services run a repository; None where none does.

        Raises:
            Refused: they run several (code `image.tags`): a manifest has one digest for each.
        """
        found = {one for one in self.images.values() if repository(one) == wanted}
        if len(found) > 1:
            raise Refused(
                f"services run several images of one repository: {', '.join(sorted(found))}",
                code="image.tags",
                advice="give them one tag in the compose files",
            )
        return split(found.pop())[1] if found else None


def read_deployed(clone: Clone, commit: str, settings: ReleaseSettings, image_tag: str) -> Deployed:
    """Renders the compose files of a commit, and gathers all that is deployed.

    Raises:
        Refused: a file is missing (code `file.missing`), or is no plain file (`file.kind`).
        StepFailed, NeedsOperator: compose cannot read them, or is not there.
    """
    entries = clone.entries(commit)
    composed = {path: regular(entries, path) for path in settings.compose_files}
    named = _named(entries, settings.files)
    with TemporaryDirectory(prefix="koprogo-release-") as folder:
        top = Path(folder).resolve()
        _write(top, clone.contents(composed | named))
        with paths_of_repository(top):
            model = _render(top, settings, image_tag)
        mounts = {
            path for one in services(model).values() for path in mounted_paths(one, model, str(top))
        }
    mounted = _below(entries, mounts, "mounted by the compose files")
    return Deployed(
        _hashes(clone, composed | mounted | named),
        {name: str(one.get("image", "")) for name, one in services(model).items()},
    )


def read_files(clone: Clone, commit: str, paths: Collection[str]) -> Deployed:
    """Gathers what is deployed of a product without a stack: the files and folders of a commit.

    Raises:
        Refused: one is missing (code `file.missing`), or holds no plain file (`file.kind`).
    """
    return Deployed(_hashes(clone, _named(clone.entries(commit), paths)), {})


def require_same(clone: Clone, commit: str, files: Mapping[str, str]) -> None:
    """The files of a commit must be those that a manifest names.

    Raises:
        Refused: one is missing, or another (codes `file.missing`, `file.kind`, `file.mismatch`).
        NeedsOperator: this clone does not have the commit.
    """
    entries = clone.entries(clone.commit(commit))
    found = _hashes(clone, {path: regular(entries, path) for path in files})
    for path, sha256 in found.items():
        if sha256 != files[path]:
            raise Refused(
                f"{path} of commit {commit} is not the file that the draft names",
                code="file.mismatch",
                advice="do not sign it; prepare the release again",
            )


def _hashes(clone: Clone, entries: Mapping[str, Entry]) -> dict[str, str]:
    contents = clone.contents(entries)
    return {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}


def _named(entries: Mapping[str, Entry], paths: Collection[str]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for path in paths:
        below = _below(entries, {path}, "named by files")
        if not below:
            raise Refused(
                f"the commit has no file or folder {path!r}",
                code="file.missing",
                advice="commit it, or correct files in koprogo-release.toml",
            )
        found |= below
    return found


def _below(entries: Mapping[str, Entry], tops: Collection[str], why: str) -> dict[str, Entry]:
    """The files that are, or lie below, one of some paths; `why` says how those come in."""
    found = {
        path: entry
        for path, entry in entries.items()
        if any(path == top or path.startswith(f"{top}/") for top in tops)
    }
    for path in irregular(found):
        raise Refused(
            f"{path[:80]!r} is {why} and is no plain file",
            code="file.kind",
            advice="put the file itself there, not a link or a submodule",
        )
    return found


def _write(top: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        if not is_safe_path(path):
            raise Refused(f"{path[:80]!r} is no path that agents accept", code="file.path")
        file = top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _render(top: Path, settings: ReleaseSettings, image_tag: str) -> Mapping[str, Any]:
    files = tuple(top / path for path in settings.compose_files)
    given = {**settings.values, settings.image_tag_variable: image_tag}
    stack = ComposeStack(os.environ.get("DOCKER_HOST") or docker_api.DEFAULT_HOST)
    project = Project(settings.product, files[0].parent, files, environment=given)
    wanted = {one.name: _ANY for one in stack.variables(project) if one.needs_value}
    whole = Project(settings.product, files[0].parent, files, environment=wanted | given)
    return stack.render(whole)


@contextmanager
def paths_of_repository(top: Path) -> Iterator[None]:
    """Have errors name files by their paths in the repository, not in a temporary folder.

    Args:
        top: the temporary folder, in which files lie as in the repository.
    """
    try:
        yield
    except AgentError as error:
        error.args = (_as_in_repository(error.message, top),)
        error.advice = _ADVICE.get(error.code) or _as_in_repository(error.advice, top)
        raise


def _as_in_repository(text: str, top: Path) -> str:
    # Compose's words may have been cut off in front: so it goes by the folder's name alone.
    inside = re.sub(rf"[^\s\"'`(=]*{re.escape(top.name)}/", "", text)
    return re.sub(rf"[^\s\"'`(=]*{re.escape(top.name)}", "the repository", inside)
