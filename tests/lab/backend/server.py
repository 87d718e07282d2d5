"""The HTTP side: keep-alive connections, four routes, a WebSocket, an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass

import psycopg

from . import sockets
from .pool import Pool

HEALTH = {"status": "ok", "service": "koprogo-api"}
REASONS = {200: "OK", 201: "Created", 400: "Bad Request", 404: "Not Found", 409: "Conflict"}
DRAIN_SECONDS = 0.8

Answer = tuple[int, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Request:
    """What the routes look at."""

    method: str
    path: str
    body: bytes
    socket_key: str = ""


class Server:
    """Serves rows of the database in `pool`; health is answered without asking the database."""

    def __init__(self, pool: Pool) -> None:
        """Nothing listens yet."""
        self._pool = pool
        self._busy: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.StreamWriter] = set()
        self._ending = False

    async def serve(self, port: int, ended: asyncio.Event) -> None:
        """Listen until `ended`, then finish the requests in flight and return."""
        listener = await asyncio.start_server(self._connection, "0.0.0.0", port)  # noqa: S104
        filling = asyncio.create_task(self._fill())
        await ended.wait()
        self._ending = True
        filling.cancel()
        listener.close()
        for writer in list(self._idle):
            writer.close()
        if self._busy:
            await asyncio.wait(self._busy, timeout=DRAIN_SECONDS)

    async def _fill(self) -> None:
        """Open the pool's least connections; requests open the others."""
        with contextlib.suppress(psycopg.Error, TimeoutError):
            await self._pool.fill()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while not self._ending:
                self._idle.add(writer)
                head = await reader.readuntil(b"\r\n\r\n")
                self._idle.discard(writer)
                self._busy.add(task)
                request, keep = await _read(head, reader)
                if request.socket_key and request.path == sockets.PATH:
                    self._busy.discard(task)
                    self._idle.add(writer)
                    writer.write(sockets.accepted(request.socket_key))
                    await sockets.echo(reader, writer)
                status, said = await self._answer(request)
                writer.write(_response(status, said, keep=keep and not self._ending))
                await writer.drain()
                self._busy.discard(task)
                if not keep:
                    break
        self._idle.discard(writer)
        self._busy.discard(task)
        writer.close()

    async def _answer(self, request: Request) -> Answer:
        try:
            return await self._route(request)
        except TimeoutError:
            return 503, {"error": "database: no connection in time"}
        except psycopg.Error as error:
            return 503, {"error": f"database: {error}"}
        except (ValueError, TypeError, KeyError):
            return 400, {"error": "the body must be JSON with key and body"}

    async def _route(self, request: Request) -> Answer:
        match request.method, request.path.removeprefix("/api/v1/").split("/"):
            case "GET", ["health"]:
                return 200, dict(HEALTH)
            case "POST", ["rows"]:
                return await self._insert(json.loads(request.body))
            case "GET", ["rows", "count"]:
                return await self._count()
            case "GET", ["rows", key]:
                return await self._row(key)
            case _:
                return 404, {"error": "no such route"}

    async def _insert(self, row: dict[str, str]) -> Answer:
        async with self._pool.connection() as database:
            try:
                # Autocommit: when this returns, the row is on disk.
                await database.execute(
                    "INSERT INTO rows (key, body) VALUES (%s, %s)", [row["key"], row["body"]]
                )
            except psycopg.errors.UniqueViolation:
                return 409, {"error": "there is such a row"}
        return 201, {"key": row["key"]}

    async def _count(self) -> Answer:
        async with self._pool.connection() as database:
            found = await (await database.execute("SELECT count(*) FROM rows")).fetchone()
        assert found is not None
        return 200, {"count": found[0]}

    async def _row(self, key: str) -> Answer:
        async with self._pool.connection() as database:
            rows = await database.execute("SELECT key, body FROM rows WHERE key = %s", [key])
            found = await rows.fetchone()
        if found is None:
            return 404, {"error": "no such row"}
        return 200, {"key": found[0], "body": found[1]}


async def _read(head: bytes, reader: asyncio.StreamReader) -> tuple[Request, bool]:
    """Parse a request; the second value tells whether the connection stays open after it."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, version = first.split(" ", 2)
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    wish = headers.get("connection", "").lower()
    keep = wish != "close" and (version == "HTTP/1.1" or wish == "keep-alive")
    key = headers.get("sec-websocket-key", "")
    return Request(method, path.partition("?")[0], body, key), keep


def _response(status: int, said: dict[str, object], *, keep: bool) -> bytes:
    body = json.dumps(said).encode()
    head = (
        f"HTTP/1.1 {status} {REASONS.get(status, 'Service Unavailable')}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    return head.encode() + body
