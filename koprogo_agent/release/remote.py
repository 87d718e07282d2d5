"""The remote that instances follow: what it has is fetched, and nothing is pushed by force."""

from __future__ import annotations

import re
from collections.abc import Mapping

from koprogo_agent.errors import AgentError, NeedsOperator, RetryLater
from koprogo_agent.process import Completed
from koprogo_agent.release.branch import TrustBranch
from koprogo_agent.release.clone import is_release
from koprogo_agent.release.git import Git, last_words

_SECONDS = 180.0
_TAGS = "refs/tags/v*:refs/tags/v*"

_MOVED = re.compile(
    r"\[rejected\]|\(fetch first\)|non-fast-forward|already exists|failed to update ref|cannot lock"
)
_NOT_FETCHED = re.compile(r"! \[rejected\]\s+(\S+)\s+->")
_PROTECTED = re.compile(r"\[remote rejected\]|pre-receive hook declined|protected branch")
_DENIED = re.compile(
    r"could not read Username|terminal prompts disabled|Authentication failed"
    r"|Permission (?:to|denied)|Host key verification|returned error: 40[13]"
)
_UNKNOWN = re.compile(r"does not appear to be a git repository|No such remote")


class Remote:
    """One remote of a clone."""

    def __init__(self, git: Git, name: str, branch: TrustBranch) -> None:
        """Prepares; nothing is asked yet."""
        self._git = git
        self._branch = branch
        self.name = name

    def fetch(self) -> None:
        """Brings the tags and the trust branch; what is known here is never overwritten.

        Raises:
            NeedsOperator: access is denied, or a tag or the branch is not what it was.
            RetryLater: it cannot be reached.
        """
        listed = self._run("ls-remote", "--heads", "--end-of-options", self.name, self._branch.ref)
        if listed.returncode != 0:
            raise self._failure(listed)
        trust = [f"{self._branch.ref}:{self._branch.tracked}"] if listed.stdout else []
        words = ("fetch", "--no-tags", "--no-write-fetch-head", "--end-of-options")
        done = self._run(*words, self.name, _TAGS, *trust)
        if done.returncode == 0:
            return
        kept = _NOT_FETCHED.findall(done.stderr.decode(errors="replace"))
        if not kept:
            raise self._failure(done)
        # Tags such as v1 may move from release to release; what instances go by may not.
        rewritten = [name for name in kept if is_release(name) or name == self._branch.name]
        if rewritten:
            raise NeedsOperator(
                f"{self.name} has rewritten what was published: {', '.join(rewritten)}",
                code="remote.rewritten",
                advice="find out who did, and why, before anything else is published",
            )

    def push(self, updates: Mapping[str, str]) -> None:
        """Points refs of the remote at objects of this clone: all of them, or none.

        Raises:
            RetryLater: somebody else was there first (code `remote.moved`), or it cannot be
                reached.
            NeedsOperator: access is denied, or the remote keeps the ref from being changed.
        """
        refs = [f"{oid}:{ref}" for ref, oid in updates.items()]
        words = ("push", "--quiet", "--atomic", "--no-verify", "--end-of-options", self.name, *refs)
        done = self._run(*words)
        if done.returncode == 0:
            return
        said = done.stderr.decode(errors="replace")
        if _MOVED.search(said):
            raise RetryLater(
                f"{self.name} has moved meanwhile: somebody else has pushed; nothing was pushed",
                code="remote.moved",
                advice="type the same again: it begins with what the remote has now",
            )
        if _PROTECTED.search(said):
            raise NeedsOperator(
                f"{self.name} does not let you change {' and '.join(updates)}: {last_words(done)}",
                code="remote.protected",
                advice="ask whoever guards the repository; nothing was pushed",
            )
        raise self._failure(done)

    def command(self, updates: Mapping[str, str]) -> str:
        """What somebody types to push the same by hand."""
        return f"git push --atomic {self.name} {' '.join(updates)}"

    def _run(self, *words: str) -> Completed:
        return self._git.run(*words, timeout=_SECONDS)

    def _failure(self, done: Completed) -> AgentError:
        words = last_words(done)
        if _UNKNOWN.search(words):
            return NeedsOperator(
                f"this clone has no remote {self.name} that can be used: {words}",
                code="remote.unknown",
                advice="git remote -v; koprogo-release.toml names the one that is meant",
            )
        if _DENIED.search(words):
            return NeedsOperator(
                f"{self.name} denies access: {words}",
                code="remote.denied",
                advice=f"git must be able to push without asking; try: git push --dry-run"
                f" {self.name}",
            )
        return RetryLater(
            f"cannot reach {self.name}: {words}",
            code="remote.unreachable",
            advice="check the network, and type the same again",
        )
