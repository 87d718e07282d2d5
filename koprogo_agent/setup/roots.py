"""The trust root that this machine is given: from a file, or the newest that the source has."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from koprogo_agent.adapters.git import Git
from koprogo_agent.domain.envelope import MAX_BYTES
from koprogo_agent.domain.proxy import ProxyRules
from koprogo_agent.domain.root import Root, read_root
from koprogo_agent.durable import disk_errors
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.settings.sections import Source

_NAME = re.compile(r"root/([1-9][0-9]{0,5})\.json")


def from_file(path: Path) -> Root:
    """A trust root that somebody brought.

    Raises:
        NeedsOperator: it cannot be read (code `files.failed`), or is none (`trust.malformed`).
    """
    with disk_errors(f"read the trust root {path}"), path.open("rb") as stream:
        raw = stream.read(MAX_BYTES + 1)
    return _read(raw, str(path))


def from_source(source: Source, rules: ProxyRules) -> Root:
    """The newest trust root that a source has. It is a claim, for a person to compare.

    Raises:
        NeedsOperator: it has none (code `trust.absent`), or what it has is none.
        RetryLater: the source cannot be reached.
    """
    with TemporaryDirectory(prefix="koprogo-agent-") as folder:
        git = Git(source, Path(folder), rules)
        commit = git.list_refs().trust
        names = git.list_files(commit, "root") if commit else ()
        versions = [int(match[1]) for match in map(_NAME.fullmatch, names) if match]
        if commit is None or not versions:
            raise NeedsOperator(
                f"{source.url} has no trust root on its branch {source.trust_branch}",
                code="trust.absent",
                advice="give one: --trust-root FILE",
            )
        newest = f"root/{max(versions)}.json"
        return _read(git.read_file(commit, newest), newest)


def _read(raw: bytes, name: str) -> Root:
    try:
        return read_root(raw)
    except Refused as error:
        raise NeedsOperator(
            f"{name} is no trust root: {error.message}",
            code="trust.malformed",
            advice="give the file that the association publishes: --trust-root FILE",
        ) from error
