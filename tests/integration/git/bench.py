"""An origin over TLS, and a fresh agent's folder beside it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from koprogo_agent.adapters.git import Git
from koprogo_agent.domain.proxy import DIRECT, ProxyRules
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.errors import AgentError
from koprogo_agent.settings.sections import Source
from tests.lab.origin import Origin

FILES = {
    "compose.yml": b"services: {}\n",
    "conf/proxy.conf": b"listen 80\n",
    "conf/deep/er/map": b"a b\n",
    "migrations/1.sql": b"create table a();\n",
}
SSH = "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n"


@dataclass(frozen=True)
class Bench:
    """An origin, and a fresh agent's folder."""

    origin: Origin
    state: Path

    def git(self, rules: ProxyRules = DIRECT, **changes: object) -> Git:
        """An adapter for the origin."""
        settings = {"url": self.origin.url, "ca_file": self.origin.ca_file, "timeout": 20}
        return Git(Source.model_validate(settings | changes), self.state, rules)

    def commit(self, files: dict[str, bytes] | None = None, **kinds: dict[str, str]) -> str:
        """A commit with these files."""
        repository = self.origin.repository
        tree = repository.tree(FILES if files is None else files, **kinds)
        return repository.commit(tree, [], "Release", 1_700_000_000)

    def tag(self, name: str, target: str, kind: str = "commit", message: str = "Release") -> TagRef:
        """Publishes an annotated tag."""
        head = f"object {target}\ntype {kind}\ntag {name}\ntagger A <a@b> 1700000000 +0000"
        oid = self.origin.repository.store("tag", f"{head}\n\n{message}\n{SSH}".encode())
        self.origin.repository.point(f"refs/tags/{name}", oid)
        return TagRef(name, oid)

    @property
    def mirror(self) -> Path:
        """Where the mirror is."""
        return self.state / "mirror.git"

    def inspect(self, *words: str) -> str:
        """What git itself says of the mirror."""
        command = ["git", "--git-dir", str(self.mirror), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def failure(git: Git) -> AgentError:
    """The error of a poll."""
    with pytest.raises(AgentError) as caught:
        git.list_refs()
    assert caught.value.message.isprintable()
    assert not caught.value.message[0].isupper()
    return caught.value


def fetch_failure(git: Git, ref: TagRef) -> AgentError:
    """The error of a fetch."""
    with pytest.raises(AgentError) as caught:
        git.fetch(ref)
    return caught.value
