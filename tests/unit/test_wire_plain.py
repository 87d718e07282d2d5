"""Signatures as this project's client writes them are read without the library: to the same end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from http_message_signatures import ContentDigest, HTTPMessageSigner, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import ED25519
from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.wire.plain import read
from koprogo_agent.wire.signing import COVERED, TAG, Request, key_id, sign
from tests.fuzz.damage import QUICK
from tests.fuzz.reports import KEY, NOW, URL, capitals, small, verdict

PUBLIC = KEY.public_key().public_bytes_raw()
FIELDS = ("content-digest", "signature", "signature-input")


def signed(method: str = "POST", url: str = URL, body: bytes = b"{}") -> Request:
    """A request as an instance sends it and a server gets it."""
    request = Request(method, url, body)
    sign(request, KEY, NOW)
    return small(request)


def is_plain(request: Request) -> bool:
    """Whether it is read without the library."""
    return read(request.method, request.url, request.headers) is not None


def both(request: Request) -> bytes | str:
    """The verdict, which the library shares."""
    found = verdict(request)
    assert verdict(capitals(request)) == found
    assert not is_plain(capitals(request))
    return found


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:8420/api/v1/instances/" + "0" * 32])
@pytest.mark.parametrize("body", [b"", b"{}", b"x" * 4096])
def test_what_the_client_signs_is_read_so(method: str, url: str, body: bytes) -> None:
    """Else the shorter way would be for nothing."""
    request = signed(method, url, body)
    assert is_plain(request)
    assert both(request) == PUBLIC


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "post"])
@pytest.mark.parametrize(
    "url",
    [
        *(URL, URL + "?a=b", URL + "#a", URL + "/%41", URL + "\n", URL + " ", URL + "\x7f", ""),
        *("https://fleet.example.org", "HTTPS://FLEET.example.org/", "https://a@b/c", "ftp://a/b"),
        *("https://fleet.example.org:443/", "https://[::1]:8420/a", "https:///a", "https://é/"),
    ],
)
def test_of_any_address_the_library_thinks_the_same(method: str, url: str) -> None:
    """Whether the signature is of this one, or of another."""
    both(replace(signed(), method=method, url=url))
    try:
        request = signed(method, url)
    except Exception:  # noqa: BLE001 - of whatever the library cannot sign
        return
    assert both(request) == PUBLIC


DIGEST = ContentDigest.create(b"{}")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("signature-input", "created=1", "created=01"),
        ("signature-input", "created=1", "created=-1"),
        ("signature-input", "created=1", "created=9"),
        ("signature-input", "created=1", "created=1.5;x=1"),
        ("signature-input", ";created", ";expires=1;created"),
        ("signature-input", ";created", "; created"),
        ("signature-input", ";created", ";created=1;created"),
        ("signature-input", ';alg="ed25519"', ""),
        ("signature-input", 'alg="ed25519"', 'alg="hmac-sha256"'),
        ("signature-input", "koprogo=", "another="),
        ("signature-input", "koprogo=", " koprogo="),
        ("signature", ":", ":A"),
        ("signature", "==:", ":"),
        ("signature", "==:", "==:;a=1"),
        ("signature", "koprogo=:", "koprogo=:\n"),
        ("content-digest", "sha-256", "sha-512"),
        ("content-digest", "=:", ":"),
        ("content-digest", DIGEST, f"{DIGEST}, {DIGEST}"),
        ("content-digest", DIGEST, f"{DIGEST}\n"),
        ("content-digest", DIGEST, ContentDigest.create(b"[]")),
    ],
)
def test_of_any_change_the_library_thinks_the_same(name: str, old: str, new: str) -> None:
    """It is not what was signed, or not in this form."""
    request = signed()
    value = request.headers[name]
    assert old in value
    headers = {**request.headers, name: value.replace(old, new, 1)}
    both(replace(request, headers=headers))


@QUICK
@given(name=st.sampled_from(FIELDS), data=st.data())
def test_so_it_does_of_any_other_character(name: str, data: st.DataObject) -> None:
    """Wherever it stands: one in the last place of a base64 text may say nothing."""
    request = signed()
    value = request.headers[name]
    at = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.sampled_from('Aa0+/-_=:;, "()\\\t\n') | st.characters(max_codepoint=255))
    changed = value[:at] + other + value[at + data.draw(st.integers(0, 1)) :]
    found = both(replace(request, headers={**request.headers, name: changed}))
    assert found in {PUBLIC, "signature.invalid", "signature.time"}


class _Own(HTTPSignatureKeyResolver):
    def resolve_private_key(self, key_id: str) -> object:  # noqa: ARG002 - the library's
        return KEY


@pytest.mark.parametrize(
    ("covered", "label"),
    [
        (COVERED, "other-label"),
        (COVERED, "x"),
        (COVERED[::-1], "koprogo"),
        ((*COVERED, "content-type"), "koprogo"),
        ((*COVERED, "@authority"), "koprogo"),
    ],
)
def test_what_other_clients_sign_in_other_ways_is_taken(
    covered: tuple[str, ...], label: str
) -> None:
    """The protocol allows it: the library reads it."""
    request = Request("POST", URL, b"{}", {"Content-Type": "application/json"})
    HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=_Own()).sign(
        request,
        key_id=key_id(KEY.public_key()),
        created=NOW,
        tag=TAG,
        label=label,
        covered_component_ids=covered,
        body=request.body,
    )
    assert both(small(request)) == PUBLIC
