"""One small Protocol per outside system.

The adapters implement these on the real systems; the simulation implements them in memory; one
contract suite runs on both. Every method raises only the errors of `koprogo_agent.errors`:
`RetryLater` for what is transient (network, engine restarting, image not published yet), the others
as their names say. No method leaves a half-made result that a second call would trip over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from koprogo_agent.domain.gate import Container
from koprogo_agent.domain.tags import SignedTag, TagRef
from koprogo_agent.domain.trust import Signer


class Source(Protocol):
    """The git repository that releases come from."""

    def list_tags(self) -> tuple[TagRef, ...]:
        """What is below `refs/tags/` at the source now: one `ls-remote`, nothing else."""

    def fetch(self, tag: TagRef) -> bytes:
        """Brings the tag object, its commit and trees (no blobs) into the mirror.

        Returns:
            The raw bytes of the object that the ref pointed at.

        Raises:
            Refused: what came is not the object that was listed, is not a tag, or breaks a limit.
        """

    def read_file(self, commit: str, path: str) -> bytes:
        """One regular file of a fetched commit, read from git objects, without a checkout.

        Raises:
            Refused: the path is missing, or is not a regular file (symlink, submodule, folder).
        """

    def list_files(self, commit: str, folder: str) -> tuple[str, ...]:
        """Paths of the regular files at or below a path of the repository; empty when absent."""

    def tree_id(self, commit: str, folder: str) -> str | None:
        """Object id of a folder's tree, or None when the commit does not have the folder."""


class Signatures(Protocol):
    """The trusted keys, and the tools that check signatures with them."""

    def state(self) -> str:
        """A value that changes whenever the trusted keys change."""

    def check(self, tag: SignedTag, at: datetime) -> Signer:
        """Who signed the tag, judged at an instant of our own clock.

        Raises:
            Refused: no trusted key made this signature, or the key was not valid at that instant.
            NeedsOperator: the trust directory is empty, or others may write to it.
        """


@dataclass(frozen=True)
class PullProgress:
    """Bytes of the layers of one image: received, and the total known so far."""

    reference: str
    received: int
    total: int


@dataclass(frozen=True)
class LocalImage:
    """An image that the engine holds.

    Attributes:
        id: the engine's id, `sha256:…`.
        digests: the repository digests it is known by, `repository@sha256:…`.
        size: bytes on disk, layers shared with other images included.
    """

    id: str
    digests: tuple[str, ...]
    size: int


class Images(Protocol):
    """Images of the engine and the registries behind it."""

    def find(self, reference: str) -> LocalImage | None:
        """The local image for a reference (tag, digest or id), without asking a registry."""

    def pull(self, reference: str, progress: Callable[[PullProgress], None]) -> LocalImage:
        """Pulls by tag or digest and gives the local image.

        Raises:
            RetryLater: registry unreachable, rate-limiting (with its `Retry-After`), or the image
                is not published yet (code `registry.image_missing`).
            NeedsOperator: the registry wants credentials that are missing or wrong.
        """

    def root(self) -> Path:
        """The folder in which the engine keeps images and volumes."""

    def remove(self, reference: str) -> None:
        """Removes an image unless a container uses it; absent already is success."""


@dataclass(frozen=True)
class Project:
    """A compose project: what `docker compose` needs to know to act on it.

    Attributes:
        name: the project's name.
        directory: the project directory, against which relative paths are resolved.
        files: compose files in order, absolute.
        env_files: env files in order, absolute.
        environment: variables set by the agent; they win over the env files.
    """

    name: str
    directory: Path
    files: tuple[Path, ...]
    env_files: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Variable:
    """A variable that the compose files use."""

    name: str
    default: str
    required: bool


@dataclass(frozen=True)
class RunResult:
    """How a one-off container ended: exit code, and the end of what it printed."""

    exit_code: int
    output: str


class Stack(Protocol):
    """Docker Compose, and the containers of its projects."""

    def render(self, project: Project) -> dict[str, Any]:
        """The resolved compose model (`config --format json`).

        Raises:
            StepFailed: the compose files are invalid (code `compose.invalid`), in its words.
        """

    def variables(self, project: Project) -> tuple[Variable, ...]:
        """The variables that the compose files of the project use."""

    def containers(self, project_name: str) -> tuple[Container, ...]:
        """The containers of the project's services, one-off containers left out."""

    def up(self, project: Project, services: Sequence[str] = ()) -> None:
        """Creates and starts services (all when none are named), recreating what changed.

        Never pulls, never builds, does not wait for health. With services named, only those are
        touched, their dependencies are not.
        """

    def create(self, project: Project, services: Sequence[str]) -> None:
        """Creates services without starting them, recreating what changed."""

    def start(self, project_name: str, services: Sequence[str]) -> None:
        """Starts existing containers of these services; what runs already is left alone."""

    def stop(self, project_name: str, services: Sequence[str]) -> None:
        """Stops the containers of these services and waits until they have stopped."""

    def discard(self, project_name: str, services: Sequence[str]) -> None:
        """Stops and removes the containers of these services; their volumes stay."""

    def run(
        self,
        project: Project,
        service: str,
        command: Sequence[str],
        timeout: float,
        goes_on: Callable[[], None],
    ) -> RunResult:
        """Runs a one-off container of a service, without its dependencies, and removes it.

        Args:
            project: the project.
            service: the service whose definition is used.
            command: replaces the service's command; empty keeps it.
            timeout: seconds after which the container is killed.
            goes_on: called now and then while it runs.

        Raises:
            StepFailed: the time ran out (code `run.timeout`).
        """

    def address(self, container: str) -> str | None:
        """An address at which this host reaches the container, or None while it has none."""

    def examine(self, container: str) -> bool:
        """Whether the container's own healthcheck passes when it is run now.

        False too where it has none, has no running container, or takes longer than it may.
        """

    def logs(self, container: str, lines: int) -> str:
        """The end of what a container printed."""

    def down(self, project_name: str) -> None:
        """Removes the project's containers, networks and volumes. For scratch projects only."""


@dataclass(frozen=True)
class DatabaseAt:
    """Where a PostgreSQL is: the compose project and the service in it."""

    project: str
    service: str


@dataclass(frozen=True)
class Dump:
    """A backup: its file `NUMBER-LABEL.dump`, how many bytes it has, and their SHA-256."""

    path: Path
    size: int
    sha256: str

    @property
    def label(self) -> str:
        """What it was made for, and the release whose data it holds: `daily-v1.2.0`."""
        return self.path.stem.partition("-")[2]


class Database(Protocol):
    """PostgreSQL in a container of the stack, reached through that container."""

    def size(self, at: DatabaseAt) -> int:
        """Bytes of the application's database on disk.

        Raises:
            RetryLater: the database does not answer.
        """

    def dump(self, at: DatabaseAt, target: Path, progress: Callable[[int], None]) -> Dump:
        """Writes an online `pg_dump` (custom format), durable before it returns.

        Args:
            at: where the database is.
            target: the file to write; appears only when it is whole.
            progress: told the bytes written so far.
        """

    def verify(self, at: DatabaseAt, dump: Path, progress: Callable[[int], None]) -> None:
        """Reads a dump whole with `pg_restore`; `progress` is told the bytes read so far.

        Raises:
            StepFailed: the file is not a whole dump (code `backup.corrupt`).
        """

    def restore(self, at: DatabaseAt, dump: Path, progress: Callable[[int], None]) -> None:
        """Restores a dump into the (empty) application's database, stopping at the first error."""

    def replace(
        self, at: DatabaseAt, dump: Path, aside: str, progress: Callable[[int], None]
    ) -> None:
        """Restores a dump beside the application's database, then takes its place.

        The exchange is one transaction; what was there is kept under the name `aside`. Writers
        must have stopped.
        """

    def make_point(self, at: DatabaseAt, name: str) -> None:
        """Copies the application's database to `name`; connections to it are ended first.

        A copy that was interrupted is not left under `name`.
        """

    def has_database(self, at: DatabaseAt, name: str) -> bool:
        """Whether a database of this name exists, whole."""

    def swap_back(self, at: DatabaseAt, point: str, aside: str) -> None:
        """Renames the application's database to `aside` and the point to its name.

        Both in one transaction; done already (no point, but an `aside`) is success.
        """

    def drop(self, at: DatabaseAt, name: str) -> None:
        """Drops a database other than the application's; absent already is success."""

    def write_mark(self, at: DatabaseAt) -> str:
        """A mark for `wrote_since`; sessions may be open."""

    def wrote_since(self, at: DatabaseAt, mark: str) -> bool:
        """Whether rows may have been written since a mark, by PostgreSQL's own counters.

        Writers must have stopped: only then have their sessions reported all that they wrote.
        """

    def progress_mark(self, at: DatabaseAt) -> str:
        """A value that changes while the database does work that writes (the WAL position)."""


@dataclass(frozen=True)
class HttpProbe:
    """One HTTP question and the answer that counts as good.

    Attributes:
        name: how people call it.
        url: where to ask.
        host: value of the Host header, or None for the URL's own.
        status: expected status code.
        contains: JSON members that the answer must have with these values; empty: any body.
    """

    name: str
    url: str
    host: str | None = None
    status: int = 200
    contains: Mapping[str, str] = field(default_factory=dict)


class Prober(Protocol):
    """Asks HTTP questions."""

    def ask(self, probe: HttpProbe) -> str | None:
        """None when the answer is as expected; otherwise what was wrong, in a few words."""


class Files(Protocol):
    """The agent's own folders and the stack's folder."""

    def tidy(self) -> None:
        """Removes what an agent that was cut off has half written. Only for who holds the lock."""

    def free_bytes(self, path: Path) -> int:
        """Bytes that may still be written to the file system that holds `path`."""

    def stage(self, release: str, files: Mapping[str, bytes]) -> None:
        """Keeps a release's files under its name, durable and whole before it returns."""

    def staged(self, release: str) -> Mapping[str, bytes] | None:
        """The files kept under a release's name, or None when there are none."""

    def staged_path(self, release: str, path: str) -> Path:
        """Where a file of a staged release lies."""

    def releases(self) -> tuple[str, ...]:
        """The names under which files are kept."""

    def unstage(self, release: str) -> None:
        """Forgets a release's files; absent already is success."""

    def lay(self, release: str) -> None:
        """Makes the stack's folder hold the files of a staged release, durable before it returns.

        Files of the release laid before that this one does not have are removed; files of the
        operator are never touched.
        """

    def laid(self) -> str | None:
        """The release whose files the stack's folder holds whole, or None."""

    def stack_path(self, path: str) -> Path:
        """Where a release's file lies once it is laid."""

    def read_stack_file(self, path: str) -> bytes | None:
        """A file below the stack's folder as it is now, or None when there is none."""

    def write_override(self, name: str, content: bytes) -> Path:
        """Durably writes one of the agent's own compose files; its path is the same for ever."""

    def backups(self) -> tuple[Dump, ...]:
        """The backups that are kept, oldest first."""

    def backup_path(self, label: str) -> Path:
        """Where a backup of this label is to be written."""

    def forget_backup(self, path: Path) -> None:
        """Removes a backup; absent already is success."""


class Clock(Protocol):
    """Time."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never go backwards."""

    def wait(self, seconds: float) -> None:
        """Lets seconds go by."""


class Supervisor(Protocol):
    """Who watches over the daemon (systemd)."""

    def ready(self) -> None:
        """The daemon has started."""

    def alive(self) -> None:
        """The work has really progressed."""

    def status(self, text: str) -> None:
        """One line about what is being done."""

    def stopping(self) -> None:
        """The daemon ends."""


class Notifier(Protocol):
    """Tells the operator, over whatever channels the operator configured."""

    def tell(self, title: str, body: str) -> None:
        """Sends a message. Never raises: a dead channel must not disturb an update."""
