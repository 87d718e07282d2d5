"""What a server does that means harm: answers that lie, never end, lead elsewhere, or crawl."""

from __future__ import annotations

import contextlib
import gzip
import io
from collections.abc import Callable, Iterator

from typing_extensions import Buffer

from tests.lab.front import Exchange
from tests.lab.traffic import Throttled

Deed = Callable[[Exchange], bool]

_PIECE = 1 << 16
_UPLOADED = "application/x-git-upload-pack-result"
_PACK = b"PACK\0\0\0\2\0\0\0\1"
_BLOB = bytes([0xB0, *[0xFF] * 5, 0x7F])
"""The header of a blob of more than a terabyte (gitformat-pack)."""


def answers(status: int, body: bytes, kind: str = "text/plain", **headers: str) -> Deed:
    """The same answer to whoever asks; `_` in a header's name stands for `-`."""

    def act(exchange: Exchange) -> bool:
        for _ in exchange.body():
            pass
        exchange.send_response(status)
        exchange.send_header("Content-Type", kind)
        exchange.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            exchange.send_header(name.replace("_", "-"), value)
        exchange.end_headers()
        if exchange.command != "HEAD":
            exchange.wfile.write(body)
        return True

    return act


def leads_to(address: str) -> Deed:
    """Sends whoever asks to another address, with the same path."""

    def act(exchange: Exchange) -> bool:
        return answers(302, b"", Location=f"{address}{exchange.path}")(exchange)

    return act


def crawls(bytes_per_second: int) -> Deed:
    """Sends the headers at once, and of the body no more than this."""

    def act(exchange: Exchange) -> bool:
        exchange.wfile = _Crawling(exchange.wfile, bytes_per_second)
        return False

    return act


def never_ends(kind: str) -> Deed:
    """A body that goes on for as long as anybody reads it."""

    def act(exchange: Exchange) -> bool:
        for _ in exchange.body():
            pass
        _send_for_ever(exchange, kind, _spaces())
        return True

    return act


def pack_without_end(exchange: Exchange) -> bool:
    """A well-formed pack whose one object goes on for ever."""
    begin = _packet(b"packfile\n")
    if b"0009done\n" not in _looked_at(exchange):
        begin = _packet(b"acknowledgments\n") + _packet(b"ready\n") + b"0001" + begin
    packets = (_packet(b"\1" + piece) for piece in _endless_pack())
    _send_for_ever(exchange, _UPLOADED, _after(begin, packets))
    return True


def pack_after_nonsense() -> Deed:
    """The same, once an answer that is no answer has made git doubt its own mirror."""
    asked: list[Exchange] = []

    def act(exchange: Exchange) -> bool:
        asked.append(exchange)
        if len(asked) > 1:
            return pack_without_end(exchange)
        return answers(200, _packet(b"nonsense\n"), _UPLOADED)(exchange)

    return act


def says(words: str) -> Deed:
    """Words for whoever reads git's complaints (gitprotocol-common, ERR)."""
    return answers(200, _packet(f"ERR {words}".encode()), _UPLOADED)


def lists(*names: str) -> Deed:
    """A list of refs with these names, whatever git would say of them."""
    lines = (_packet(f"{'c' * 40} {name}\n".encode()) for name in names)
    return answers(200, b"".join(lines) + b"0000", _UPLOADED)


def to_lists(deed: Deed) -> Deed:
    """Does it to whoever asks for the list of refs."""

    def act(exchange: Exchange) -> bool:
        return b"command=ls-refs" in _looked_at(exchange) and deed(exchange)

    return act


def to_fetches(deed: Deed) -> Deed:
    """Does it to whoever fetches; refs are listed as they should be."""

    def act(exchange: Exchange) -> bool:
        return b"command=fetch" in _looked_at(exchange) and deed(exchange)

    return act


class _Crawling(Throttled):
    """Lets its first piece through as it is."""

    _begun = False

    def write(self, data: Buffer, /) -> int:
        """The headers, then piece after piece of the body."""
        if self._begun:
            return super().write(data)
        self._begun = True
        return self._out.write(data)


def _send_for_ever(exchange: Exchange, kind: str, pieces: Iterator[bytes]) -> None:
    exchange.close_connection = True
    exchange.send_response(200)
    exchange.send_header("Content-Type", kind)
    exchange.send_header("Connection", "close")
    exchange.end_headers()
    with contextlib.suppress(OSError):
        while exchange.command != "HEAD" and not exchange.server.ended.is_set():
            exchange.wfile.write(next(pieces))


def _looked_at(exchange: Exchange) -> bytes:
    """A request's body, which can still be passed on afterwards."""
    body = b"".join(exchange.body())
    exchange.rfile = io.BufferedReader(io.BytesIO(body))
    return gzip.decompress(body) if exchange.headers.get("Content-Encoding") == "gzip" else body


def _packet(content: bytes) -> bytes:
    return b"%04x" % (len(content) + 4) + content


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _spaces() -> Iterator[bytes]:
    while True:
        yield b" " * _PIECE


def _endless_pack() -> Iterator[bytes]:
    """A blob in stored blocks of a zlib stream (RFC 1950, RFC 1951), of which none is the last."""
    yield _PACK + _BLOB + b"\x78\x01"
    size = _PIECE - 0x400  # what fits a packet
    block = b"\0" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little")
    while True:
        yield block + b"x" * size
