"""Somebody who takes every connection that a stack's database has, as a superuser may."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from types import TracebackType
from typing import Self

import psycopg

from koprogo_agent import docker_api
from tests.lab.processes import wait_until
from tests.lab.stack import DATABASE_USER, Stack

_AGAIN = 0.05


class Hoarder:
    """Holds all connections inside a `with` block, those that come free included.

    Attributes:
        held: how many it holds.
    """

    def __init__(self, stack: Stack) -> None:
        """Take nothing yet."""
        path = f"/containers/{stack.name}-postgres/json"
        networks = docker_api.read(stack.docker_host, path)["NetworkSettings"]["Networks"]
        self._host = next(one["IPAddress"] for one in networks.values())
        self._password = stack.password
        self._sessions: list[psycopg.Connection] = []
        self._full = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def held(self) -> int:
        """How many connections it holds."""
        return len(self._sessions)

    def __enter__(self) -> Self:
        """Take them all."""
        self._thread.start()
        wait_until(self._full.is_set, 30, "all connections to be taken")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give them back."""
        self.leave()

    def leave(self) -> None:
        """Give them back; a second time does nothing."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_AGAIN):
            with suppress(psycopg.OperationalError):
                while not self._ended.is_set():
                    self._sessions.append(self._connect())
            self._full.set()
        for session in self._sessions:
            with closing(session):
                continue
        self._sessions.clear()

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=self._host,
            user=DATABASE_USER,
            password=self._password,
            dbname="postgres",
            connect_timeout=5,
        )
