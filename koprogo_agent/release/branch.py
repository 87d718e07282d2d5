"""The trust branch: a history of its own beside the code, read and written without a checkout.

It holds `root/1.json`, `root/2.json`, …, the trust roots, and `freshness.json`.
"""

from __future__ import annotations

from collections.abc import Mapping

from koprogo_agent.errors import NeedsOperator
from koprogo_agent.release.clone import Clone, Entry
from koprogo_agent.release.git import Git

_FILE, _FOLDER = "100644", "040000"


class TrustBranch:
    """The branch here, and what was last seen of it at the remote."""

    def __init__(self, git: Git, remote: str, name: str) -> None:
        """Prepares; nothing is read yet."""
        self._git = git
        self.name = name
        self.ref = f"refs/heads/{name}"
        self.tracked = f"refs/remotes/{remote}/{name}"

    def tip(self) -> str | None:
        """The newest commit of it that is known here; None where there is no such branch.

        Raises:
            NeedsOperator: here and at the remote it went different ways (code `trust.diverged`).
        """
        here, there = self._commit(self.ref), self._commit(self.tracked)
        if here is None or there is None or here == there:
            return here or there
        if self._leads_to(here, there):
            return there
        if self._leads_to(there, here):
            return here
        raise NeedsOperator(
            f"{self.ref} and {self.tracked} went different ways: somebody published meanwhile",
            code="trust.diverged",
            advice=f"to go on from the remote's: git update-ref -d {self.ref}",
        )

    def files(self, commit: str | None) -> dict[str, bytes]:
        """The files of a commit by their paths; none where there is no branch yet."""
        clone = Clone(self._git)
        return clone.contents(clone.entries(commit)) if commit else {}

    def commit(self, files: Mapping[str, bytes], message: str, on: str | None) -> str:
        """Writes a commit that adds or replaces files; the branch is not moved.

        Args:
            files: path -> content.
            message: what was done.
            on: the commit that it follows; None begins a history.
        """
        entries = Clone(self._git).entries(on) if on else {}
        for path, content in files.items():
            oid = self._git.line("hash-object", "-w", "--stdin", stdin=content)
            entries[path] = Entry(_FILE, oid)
        parents = ("-p", on) if on else ()
        return self._git.line("commit-tree", self._tree(entries), *parents, "-m", message)

    def move(self, to: str) -> None:
        """Points the branch here at a commit that follows the newest known one."""
        self._git.ask("update-ref", self.ref, to)

    def _commit(self, ref: str) -> str | None:
        return self._git.line("for-each-ref", "--format=%(objectname)", ref) or None

    def _leads_to(self, older: str, newer: str) -> bool:
        return self._git.run("merge-base", "--is-ancestor", older, newer).returncode == 0

    def _tree(self, entries: Mapping[str, Entry]) -> str:
        here: dict[str, Entry] = {}
        folders: dict[str, dict[str, Entry]] = {}
        for path, entry in entries.items():
            first, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(first, {})[rest] = entry
            else:
                here[first] = entry
        here |= {name: Entry(_FOLDER, self._tree(inside)) for name, inside in folders.items()}
        lines = [f"{mode} {_kind(mode)} {oid}\t{name}\0" for name, (mode, oid) in here.items()]
        return self._git.line("mktree", "-z", stdin="".join(lines).encode())


def _kind(mode: str) -> str:
    return "tree" if mode == _FOLDER else "blob"
