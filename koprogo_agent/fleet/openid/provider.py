"""Asks an OpenID provider who somebody is: authorization code with PKCE, by Authlib.

Authlib checks the token's signature, issuer, audience, times and nonce. What is done here is to
give it nothing that it would trust too easily, and to give the provider neither time nor space.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, NamedTuple

import httpx
import msgspec
from authlib.common.errors import AuthlibBaseError
from authlib.deprecate import AuthlibDeprecationWarning
from joserfc.errors import JoseError

from koprogo_agent.errors import AgentError, Refused, RetryLater
from koprogo_agent.fleet.openid.bounded import bounds
from koprogo_agent.fleet.openid.pending import Pending
from koprogo_agent.fleet.settings import OpenId

with warnings.catch_warnings():
    # It prefers httpx2, and would say so in the log at each start.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.starlette_client import StarletteOAuth2App

UNTRUSTED, SILENT = "oidc.untrusted", "oidc.silent"

_SECONDS = 8.0
"""For all that is asked of the provider at once; somebody waits meanwhile."""
_LASTS = 3600.0
"""Seconds after which its addresses and keys are asked for again."""
_LEEWAY = 60
"""Seconds by which its clock and ours may differ."""
# Others are signed with a secret that both sides know, or not at all.
_ALGORITHMS = frozenset(f"{kind}{size}" for kind in ("RS", "PS", "ES") for size in (256, 384, 512))


class Person(NamedTuple):
    """Whom the provider vouches for.

    Attributes:
        subject: the provider's own name for them.
        email: if the provider has verified it, otherwise None.
    """

    subject: str
    email: str | None


class _Document(msgspec.Struct, frozen=True):
    """What of the provider's description is used; the rest could turn the library's head."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)

    @property
    def algorithms(self) -> list[str]:
        """By which its tokens may be signed."""
        return sorted(_ALGORITHMS.intersection(self.id_token_signing_alg_values_supported))

    @property
    def method(self) -> str:
        """How the server shows its secret."""
        basic, post = "client_secret_basic", "client_secret_post"
        return basic if basic in self.token_endpoint_auth_methods_supported else post


class Provider:
    """One provider, asked when there is need of it and never before."""

    def __init__(self, client: OpenId, back: str) -> None:
        """It sends people back to the address `back`."""
        self._client = client
        self._back = back
        self._app: Any = None
        self._until = 0.0

    async def begin(self) -> tuple[str, Pending]:
        """Where to send somebody, and what must fit when they come back.

        Raises:
            RetryLater: it does not answer (code `oidc.silent`).
            Refused: its answer cannot be used (code `oidc.untrusted`).
        """
        with _faults():
            async with asyncio.timeout(_SECONDS):
                made = await (await self._library()).create_authorization_url(self._back)
            return made["url"], Pending(made["state"], made["nonce"], made["code_verifier"])

    async def end(self, pending: Pending, code: str) -> Person:
        """Who it is that came back with a code. Raises as `begin` does."""
        try:
            with _faults():
                async with asyncio.timeout(_SECONDS):
                    return await self._ask(pending, code)
        except AgentError:
            # The library may have kept keys that are none; next time they are asked for anew.
            self._app = None
            raise

    async def _ask(self, pending: Pending, code: str) -> Person:
        app = await self._library()
        token = await app.fetch_access_token(
            redirect_uri=self._back, code=code, code_verifier=pending.verifier
        )
        claims = await app.parse_id_token(
            token,
            pending.nonce,
            claims_options={
                "iss": {"essential": True, "value": self._client.issuer},
                "aud": {"essential": True, "value": self._client.name},
            },
            leeway=_LEEWAY,
        )
        email = claims.get("email") if claims.get("email_verified") is True else None
        return Person(claims["sub"], email if isinstance(email, str) else None)

    async def _library(self) -> Any:  # noqa: ANN401 - Authlib has no types
        if self._app is None or monotonic() > self._until:
            self._app = await self._discover()
            self._until = monotonic() + _LASTS
        return self._app

    async def _discover(self) -> Any:  # noqa: ANN401 - Authlib has no types
        limits = bounds(_SECONDS, UNTRUSTED)
        async with httpx.AsyncClient(**limits) as http:
            where = self._client.issuer.rstrip("/") + "/.well-known/openid-configuration"
            answer = (await http.get(where)).raise_for_status()
        found = msgspec.json.decode(answer.content, type=_Document)
        self._check(found)
        return StarletteOAuth2App(
            framework=None,
            client_id=self._client.name,
            client_secret=self._client.secret.get_secret_value(),
            authorize_url=found.authorization_endpoint,
            access_token_url=found.token_endpoint,
            jwks_uri=found.jwks_uri,
            id_token_signing_alg_values_supported=found.algorithms,
            client_kwargs={
                "scope": "openid email",
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": found.method,
                **limits,
            },
        )

    def _check(self, found: _Document) -> None:
        issuer = self._client.issuer
        if found.issuer != issuer:
            raise Refused("the provider calls itself by another name", code=UNTRUSTED)
        if not found.algorithms:
            raise Refused("the provider signs in no way that can be checked", code=UNTRUSTED)
        addresses = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
        # Only a provider on this very machine has no TLS (settings).
        if not all(each.startswith(f"{issuer.partition('//')[0]}//") for each in addresses):
            raise Refused("the provider names addresses without TLS", code=UNTRUSTED)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except AgentError:
        raise
    except (TimeoutError, httpx.HTTPError) as error:
        raise RetryLater(f"the provider does not answer: {_reason(error)}", code=SILENT) from error
    except Exception as error:  # what it sends can make the library fail in any way
        raise Refused(
            f"the provider's answer cannot be used: {_reason(error)}", code=UNTRUSTED
        ) from error


def _reason(error: Exception) -> str:
    """For the log: what was wrong, and nothing of what a token or an address holds."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    if isinstance(error, httpx.TransportError | JoseError):
        return f"{type(error).__name__}: {error}"
    if isinstance(error, AuthlibBaseError):
        return str(error.error)[:60]
    return type(error).__name__
