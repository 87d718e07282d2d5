"""`backend start` migrates and serves; `serve` only serves, `migrate` only migrates."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import psycopg

from .migrate import MigrateError, migrate
from .pool import Pool
from .release import Behaviour, Release, load
from .server import Server
from .storage import Storage, StorageError

DIED_BEFORE = Path("/tmp/died")  # noqa: S108 - in the container's own file system
DOCUMENT = "documents/welcome.txt"
CONNECT_SECONDS = 10
END_SECONDS = 1.0


class Fatal(Exception):
    """The program cannot go on."""


async def run(verb: str) -> int:
    """Run one verb until it is done or the container is asked to stop; gives the exit code."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    work = asyncio.create_task(_work(verb, load(), ended))
    stop = asyncio.create_task(ended.wait())
    await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
    # A server drains and ends by itself; what has not come so far (a migration) is cut off.
    await asyncio.wait({work}, timeout=END_SECONDS)
    if not work.done():
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        return 128 + signal.SIGTERM
    return work.result()


async def _work(verb: str, release: Release, ended: asyncio.Event) -> int:
    _say(f"koprogo-api {release.version}: {verb}")
    try:
        _check_start(release.behaviour)
        if verb in {"start", "migrate"}:
            await _migrate(release)
        if verb in {"start", "serve"}:
            await _check_before_serving(release.behaviour)
            await _serve(release.behaviour, ended)
    except (Fatal, MigrateError, psycopg.Error) as error:
        _say(f"fatal: {error}")
        return 1
    return 0


def _check_start(behaviour: Behaviour) -> None:
    if behaviour.exit_at_start or DIED_BEFORE.exists():
        raise Fatal("the configuration is corrupt")
    if behaviour.needs_variable and not os.environ.get(behaviour.needs_variable):
        raise Fatal(f"{behaviour.needs_variable} is not set")


async def _migrate(release: Release) -> None:
    database = await psycopg.AsyncConnection.connect(
        os.environ["DATABASE_URL"], autocommit=True, connect_timeout=CONNECT_SECONDS
    )
    async with database:
        count = await migrate(database, release.migrations)
    _say(f"{count} migrations applied, {len(release.migrations)} embedded")


async def _check_before_serving(behaviour: Behaviour) -> None:
    if behaviour.exit_after_migration:
        raise Fatal("a column that the code expects is not there")
    try:
        await asyncio.to_thread(_prepare_storage, behaviour)
    except StorageError as error:
        raise Fatal(str(error)) from None
    await asyncio.sleep(behaviour.start_delay_seconds)


async def _serve(behaviour: Behaviour, ended: asyncio.Event) -> None:
    size = int(os.environ.get("DB_POOL_MAX_CONNECTIONS", "8"))
    least = int(os.environ.get("DB_POOL_MIN_CONNECTIONS", "2"))
    server = Server(Pool(os.environ["DATABASE_URL"], size, least))
    serving = server.serve(int(os.environ.get("SERVER_PORT", "8080")), ended)
    if not behaviour.die_after_seconds:
        await serving
        return
    try:
        await asyncio.wait_for(serving, behaviour.die_after_seconds)
    except TimeoutError:
        raise _death() from None


def _death() -> Fatal:
    """Stay dead: this container is not to come up again."""
    DIED_BEFORE.touch()
    return Fatal("out of file descriptors")


def _prepare_storage(behaviour: Behaviour) -> None:
    """Make sure of the bucket, as KoproGo does after its migrations; and store a first document."""
    storage = Storage.from_environment(os.environ)
    storage.ensure_bucket()
    if behaviour.exit_with_documents and storage.holds(DOCUMENT):
        raise Fatal("a document is of a kind that the code does not expect")
    if os.environ.get("SEED_DOCUMENTS", "true") == "true":
        storage.put(DOCUMENT, b"Welcome to KoproGo.\n")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(asyncio.run(run(sys.argv[1])))
