"""A bare git repository, written object by object: what no porcelain would agree to write."""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.lab.processes import run

AUTHOR = "Release Manager <release@koprogo.example>"
FILE, LINK, FOLDER = "100644", "120000", "40000"


@dataclass(frozen=True, slots=True)
class Repository:
    """The bare repository in `path`."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new repository that serves as public forges do."""
        run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(path)], env=_clean())
        repository = cls(path)
        for key in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
            repository.git("config", key, "true")
        return repository

    def git(self, *words: str, stdin: bytes = b"") -> str:
        """Run git in the repository; its output, stripped."""
        command = ["git", "--git-dir", str(self.path), *words]
        return run(command, stdin=stdin, env=_clean()).decode(errors="replace").strip()

    def store(self, kind: str, data: bytes) -> str:
        """Write an object of this kind byte for byte, whatever git thinks of it; its id."""
        raw = f"{kind} {len(data)}\0".encode() + data
        name = hashlib.sha1(raw, usedforsecurity=False).hexdigest()
        file = self.path / "objects" / name[:2] / name[2:]
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            self._put(file, zlib.compress(raw))
        return name

    def read(self, kind: str, name: str) -> bytes:
        """The raw bytes of an object."""
        return run(["git", "--git-dir", str(self.path), "cat-file", kind, name], env=_clean())

    def tree(
        self,
        files: Mapping[str, bytes],
        links: Mapping[str, str] | None = None,
        folders: Mapping[str, str] | None = None,
    ) -> str:
        """Write a tree with these files, symbolic links and (by tree id) top folders; its id."""
        entries = {path: (FILE, data) for path, data in files.items()}
        entries |= {path: (LINK, target.encode()) for path, target in (links or {}).items()}
        return self._tree(entries, folders or {})

    def commit(self, tree: str, parents: Sequence[str], message: str, when: int) -> str:
        """Write a commit made at `when` (seconds since the epoch); its id."""
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
        lines += [f"author {AUTHOR} {when} +0000", f"committer {AUTHOR} {when} +0000", "", message]
        return self.store("commit", ("\n".join(lines) + "\n").encode())

    def point(self, ref: str, name: str) -> None:
        """Set a full ref name (`refs/…`) to an object, whatever it was before.

        As a file of its own, because git refuses to let a branch name anything but a commit.
        """
        file = self.path / ref
        file.parent.mkdir(parents=True, exist_ok=True)
        self._put(file, f"{name}\n".encode())

    def drop(self, ref: str) -> None:
        """Remove a ref."""
        self.git("update-ref", "-d", ref)

    def pack(self) -> None:
        """Pack all objects, as a forge does from time to time."""
        self.git("repack", "-a", "-d", "-q")

    def _put(self, file: Path, data: bytes) -> None:
        """Write so that the server sees the whole file or none."""
        draft = self.path / f"draft-{threading.get_ident()}"
        draft.write_bytes(data)
        draft.rename(file)

    def _tree(self, entries: Mapping[str, tuple[str, bytes]], known: Mapping[str, str]) -> str:
        folders: dict[str, dict[str, tuple[str, bytes]]] = {}
        here: list[tuple[str, str, str]] = []
        for path, (mode, data) in entries.items():
            head, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(head, {})[rest] = (mode, data)
            else:
                here.append((head, mode, self.store("blob", data)))
        here += [(name, FOLDER, self._tree(inside, {})) for name, inside in folders.items()]
        here += [(name, FOLDER, identity) for name, identity in known.items()]
        # Git orders a folder as if its name ended in a slash.
        here.sort(key=lambda entry: entry[0] + ("/" if entry[1] == FOLDER else ""))
        raw = b"".join(
            f"{mode} {name}\0".encode() + bytes.fromhex(identity) for name, mode, identity in here
        )
        return self.store("tree", raw)


def _clean() -> dict[str, str]:
    """No configuration of the user's or the system's takes part."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "LC_ALL": "C.UTF-8",
    }
