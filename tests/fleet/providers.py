"""A small OpenID provider: real HTTP, real keys, and as wrong as a test wants it."""

from __future__ import annotations

import json
import secrets
import ssl
import time
from base64 import b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

CLIENT, SECRET = "koprogo-fleet", "a secret that the provider has made"
DISCOVERY, JWKS, TOKEN = "/.well-known/openid-configuration", "/keys", "/token"
ALGORITHMS = ["RS256", "HS256", "none"]


class Said(NamedTuple):
    """An answer."""

    status: int
    body: bytes
    headers: dict[str, str]


Answer = Callable[[], Said]


def says(document: object) -> Said:
    """A document, as JSON."""
    return Said(200, json.dumps(document).encode(), {"Content-Type": "application/json"})


def leads_to(address: str) -> Said:
    """A redirect."""
    return Said(302, b"", {"Location": address})


@dataclass
class Provider:
    """A provider at which one person has logged in.

    Attributes:
        port: where it listens, on this machine.
        scheme: with TLS or without.
        person: what it says of them, beside `sub`.
        claims: of the token, in place of the right ones; None takes one out.
        headers: of the token, in place of the right ones.
        signs_with: its key; the published one stays what it was.
        answers: by path, what is answered in place of the right thing.
        pads: by path, what stands before the right answer.
        asks: what a link says that somebody must press there, or nothing.
        denies: why it sends people back without a code.
        methods: how a client may show its secret.
        asked: how often each path was.
        over: what an endless answer waits for.
    """

    port: int = 0
    scheme: str = "http"
    person: dict[str, Any] = field(default_factory=lambda: {"email": "ann@koprogo.com"})
    claims: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    signs_with: Any = None
    answers: dict[str, Answer] = field(default_factory=dict)
    pads: dict[str, bytes] = field(default_factory=dict)
    asks: str = ""
    denies: str = ""
    methods: list[str] = field(default_factory=lambda: ["client_secret_basic"])
    asked: Counter[str] = field(default_factory=Counter)
    over: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self._begun: dict[str, dict[str, str]] = {}
        self.turn_key()

    def turn_key(self) -> None:
        """Takes a new key, and publishes it."""
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)})
        self.signs_with = self.key

    @property
    def issuer(self) -> str:
        """Its address. Another site than 127.0.0.1, for a browser."""
        return f"{self.scheme}://localhost:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """What a fleet server is told of it."""
        return {
            "OIDC_ISSUER": self.issuer,
            "OIDC_CLIENT": CLIENT,
            "OIDC_SECRET": SECRET,
            "OIDC_LABEL": "KoproGo SSO",
        }

    @property
    def document(self) -> dict[str, Any]:
        """Its description."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": self.issuer + TOKEN,
            "jwks_uri": self.issuer + JWKS,
            "id_token_signing_alg_values_supported": ALGORITHMS,
            "token_endpoint_auth_methods_supported": self.methods,
            # Not its to say: a client that took these from here would check nothing.
            "verify": False,
            "follow_redirects": True,
        }

    def answer(self, path: str, form: dict[str, str], authorization: str) -> Said:
        """What is answered, right or wrong."""
        self.asked[path] += 1
        if path in self.answers:
            return self.answers[path]()
        said = self._right(path, form, authorization)
        return said._replace(body=self.pads.get(path, b"") + said.body)

    def _right(self, path: str, form: dict[str, str], authorization: str) -> Said:
        if path == DISCOVERY:
            return says(self.document)
        if path == JWKS:
            return says({"keys": [self.key.as_dict(private=False)]})
        if path == TOKEN:
            return self._token(form, authorization)
        return self._authorize(form)

    def _authorize(self, form: dict[str, str]) -> Said:
        """Somebody comes, and is logged in already."""
        right = form["response_type"] == "code" and form["client_id"] == CLIENT
        if not right or form["code_challenge_method"] != "S256" or "openid" not in form["scope"]:
            return Said(400, b"no such flow here", {})
        if self.denies:
            told = {"error": self.denies, "error_description": "of ann@koprogo.com"}
        else:
            told = {"code": secrets.token_urlsafe()}
            self._begun[told["code"]] = form
        back = f"{form['redirect_uri']}?{urlencode(told | {'state': form['state']})}"
        if self.asks:
            page = f'<a href="{escape(back)}">{self.asks}</a>'
            return Said(200, page.encode(), {"Content-Type": "text/html"})
        return leads_to(back)

    def _token(self, form: dict[str, str], authorization: str) -> Said:
        begun = self._begun.pop(form["code"], None)
        if not self._is_client(form, authorization):
            return says({"error": "invalid_client"})._replace(status=401)
        challenge = sha256(form["code_verifier"].encode()).digest()
        if (
            begun is None
            or form["redirect_uri"] != begun["redirect_uri"]
            or urlsafe_b64encode(challenge).rstrip(b"=").decode() != begun["code_challenge"]
        ):
            return says({"error": "invalid_grant"})._replace(status=400)
        access = secrets.token_urlsafe()
        token = {"access_token": access, "token_type": "Bearer", "expires_in": 300}
        return says(token | {"id_token": self._id_token(begun["nonce"], access)})

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if self.methods == ["client_secret_post"]:
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        pair = b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        return (unquote(pair[0]), unquote(pair[2])) == (CLIENT, SECRET)

    def _id_token(self, nonce: str, access: str) -> str:
        now = int(time.time())
        half = sha256(access.encode()).digest()[:16]
        claims = {
            "iss": self.issuer,
            "sub": "248289761001",
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "nonce": nonce,
            "at_hash": urlsafe_b64encode(half).rstrip(b"=").decode(),
            "email_verified": True,
            **self.person,
            **self.claims,
        }
        header = {"alg": "RS256", "kid": self.key.kid, **self.headers}
        said = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(
            header, said, self.signs_with, registry=JWSRegistry(algorithms=ALGORITHMS)
        )


@contextmanager
def serving(provider: Provider, tls: ssl.SSLContext | None = None) -> Iterator[Provider]:
    """Meanwhile the provider answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(dict(parse_qsl(urlsplit(self.path).query)))

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._answer(dict(parse_qsl(self.rfile.read(length).decode())))

        def _answer(self, form: dict[str, str]) -> None:
            path = urlsplit(self.path).path
            said = provider.answer(path, form, self.headers.get("Authorization", ""))
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body)
            if "X-Endless" in said.headers:
                # A byte now and then: no single wait for it is ever long.
                with suppress(OSError):  # the other side has had enough
                    while not provider.over.wait(0.2):
                        self.wfile.write(b" ")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", provider.port), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    provider.port = server.server_address[1]
    provider.scheme = "https" if tls else "http"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        provider.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
