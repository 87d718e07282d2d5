"""Signed requests: what is covered cannot be changed, and what is old is not taken."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from koprogo_agent.errors import Refused
from koprogo_agent.wire.report import instance_of
from koprogo_agent.wire.signing import SKEW, Request, key_id, sign, verify

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
URL = "https://fleet.example.org/api/v1/reports"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def signed(body: bytes = b'{"schema":1}', method: str = "POST") -> Request:
    """A request as an instance sends it."""
    request = Request(method, URL, body)
    sign(request, KEY, NOW)
    return request


def small(request: Request) -> Request:
    """The same with its headers in small letters, as a server gets them."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return replace(request, headers=headers)


def with_field(request: Request, name: str, old: str, new: str) -> Request:
    """The same with a field changed on its way."""
    value = request.headers[name]
    assert old in value
    return replace(request, headers={**request.headers, name: value.replace(old, new)})


def refused(request: Request, now: datetime = NOW) -> str:
    """The code of the rule that refuses it, as the client writes its headers and as ASGI does."""
    codes = set()
    for one in (request, small(request)):
        with pytest.raises(Refused) as caught:
            verify(one, now)
        codes.add(caught.value.code)
    (code,) = codes
    return code


@pytest.mark.parametrize(
    "request_", [signed(), signed(b""), signed(b"", "DELETE"), small(signed())]
)
def test_whoever_has_signed_is_known_by_the_key(request_: Request) -> None:
    """By nothing else: the server needs no table for it."""
    key = verify(request_, NOW)
    assert key == KEY.public_key().public_bytes_raw()
    assert instance_of(key) == instance_of(KEY.public_key().public_bytes_raw())


@pytest.mark.parametrize("late", [-SKEW, 0.0, SKEW])
def test_clocks_may_differ_by_a_little(late: float) -> None:
    """Some machines have no time server."""
    verify(signed(), NOW + timedelta(seconds=late))
    verify(small(signed()), NOW + timedelta(seconds=late))


@pytest.mark.parametrize("late", [-SKEW - 1, SKEW + 1, 86400.0 * 365 * 50])
def test_but_not_by_more(late: float) -> None:
    """What was recorded cannot be played again next week."""
    assert refused(signed(), NOW + timedelta(seconds=late)) == "signature.time"


@pytest.mark.parametrize(
    "changed",
    [
        replace(signed(), method="PUT"),
        replace(signed(), url=URL + "/"),
        replace(signed(), url=URL.replace("fleet", "other")),
        replace(signed(), body=b'{"schema":2}'),
        replace(signed(), body=b""),
        replace(signed(), headers={}),
        replace(signed(), headers={**signed().headers, "Content-Digest": ""}),
        with_field(signed(), "Signature-Input", "created=1", "created=2"),
        with_field(signed(), "Signature-Input", ' "content-digest"', ""),
        with_field(signed(), "Signature-Input", '"@method" ', ""),
        with_field(signed(), "Signature-Input", "koprogo-report", "other"),
        with_field(signed(), "Signature-Input", "koprogo=", "other="),
        with_field(signed(), "Signature", ":", ""),
    ],
)
def test_nothing_that_is_covered_can_be_changed(changed: Request) -> None:
    """Nor left out of what is covered."""
    assert refused(changed) == "signature.invalid"


def test_nor_who_has_signed() -> None:
    """A stranger's key does not fit."""
    ours, theirs = key_id(KEY.public_key()), key_id(STRANGER.public_key())
    assert refused(with_field(signed(), "Signature-Input", ours, theirs)) == "signature.invalid"


@pytest.mark.parametrize("spelt", ["{}=", "{}A", "", "é", "+/+/", "A" * 43 + "\\n"])
def test_a_key_is_written_in_one_way(spelt: str) -> None:
    """Otherwise one key would be several instances."""
    ours = key_id(KEY.public_key())
    changed = with_field(signed(), "Signature-Input", ours, spelt.format(ours))
    assert refused(changed) == "signature.invalid"


def test_two_signatures_are_none() -> None:
    """Which of them counts would be a guess."""
    first, second = signed(), signed()
    twice = {
        name: f"{value}, {second.headers[name].replace('koprogo=', 'again=')}"
        for name, value in first.headers.items()
        if name != "Content-Digest"
    }
    both = replace(first, headers={**first.headers, **twice})
    assert refused(both) == "signature.invalid"
