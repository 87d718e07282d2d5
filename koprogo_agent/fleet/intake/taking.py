"""Takes reports: checks them from the cheapest check to the dearest, and keeps what is news."""

from __future__ import annotations

import asyncio
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from time import monotonic

from msgspec.structs import replace

from koprogo_agent.errors import Refused, RetryLater
from koprogo_agent.fleet.domain.instances import CLONED, Instance, Taken, first, next_, rejected
from koprogo_agent.fleet.domain.outcomes import ends_of
from koprogo_agent.fleet.intake.decoding import decode
from koprogo_agent.fleet.intake.limits import Limit
from koprogo_agent.fleet.intake.writer import Writer
from koprogo_agent.fleet.settings import FleetSettings
from koprogo_agent.fleet.sharing import Sharing
from koprogo_agent.fleet.store.bulletins import What
from koprogo_agent.fleet.store.instances import Change, Store
from koprogo_agent.wire import LIMIT
from koprogo_agent.wire.answer import UNKNOWN, Answer, Rejection
from koprogo_agent.wire.report import Report, instance_of
from koprogo_agent.wire.signing import Request, verify

_MINUTE, _HOUR = 60.0, 3600.0
_PER_KEY = 20.0
"""Reports a minute of one instance: an update has some ten transitions."""
_TOKENS = 5.0
"""Tokens an hour that an instance may try."""
_KEY_ID = re.compile(r';keyid="([A-Za-z0-9_-]{43})"')


@dataclass(frozen=True)
class Incoming:
    """A request as it came.

    Attributes:
        method: in capitals.
        path: without a query.
        headers: names in small letters.
        body: all of it.
        address: where it came from (`limits.site_of`); counted, and never kept.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    address: str


class Intake:
    """The one place where reports come in."""

    def __init__(
        self, settings: FleetSettings, store: Store, writer: Writer, sharing: Sharing
    ) -> None:
        self._sharing = sharing
        self._settings = settings
        self._store = store
        self._writer = writer
        self._by_address = Limit(settings.reports_per_address, _MINUTE)
        self._by_key = Limit(_PER_KEY, _MINUTE)
        self._new_by_address = Limit(settings.enrolments_per_address, _HOUR)
        self._new = Limit(settings.enrolments, _HOUR)
        self._tokens = Limit(_TOKENS, _HOUR)

    async def take(self, incoming: Incoming) -> Answer | Rejection:
        """Takes a report; what it brings is kept for good when this returns.

        Raises:
            Refused: it cannot be taken, however often it is sent; the code says why.
            RetryLater: somebody sends too much (`limit.…`).
        """
        now = datetime.now(UTC)
        name = self._signed_by(incoming, now)
        report = decode(incoming.body)
        if report.instance != name:
            raise Refused(
                "the report is of another instance than its key", code="report.other_instance"
            )
        known, moment = self._sharing.known.get(name), int(now.timestamp())
        if known is None:
            taken = self._enrolled(report, incoming.address, moment)
        elif (rejection := rejected(known, report)) is not None:
            await self._doubt(known, rejection, moment)
            return rejection
        else:
            taken = next_(known, report, moment)
        return await self._kept(await self._with_token(taken, report.token))

    async def _kept(self, taken: Taken) -> Answer:
        if taken.is_news:
            ends = tuple(ends_of(taken))
            await self._writer.keep(Change(taken.instance, taken.transitions, ends))
        what = What.CHANGED if taken.is_news else What.HEARD
        self._sharing.put(taken.instance, taken.instance.seen, what)
        return Answer(
            acknowledged=tuple(one.number for one in taken.transitions),
            interval=self._settings.interval,
            verified=taken.instance.verified,
            highest=self._sharing.releases.newest,
            notice=self._settings.notice,
        )

    async def erase(self, incoming: Incoming, name: str) -> None:
        """Forgets an instance, at its own signed word.

        Raises:
            Refused: it is somebody else's word, or nothing is known of it.
            RetryLater: as `take`.
        """
        if self._signed_by(incoming, datetime.now(UTC)) != name:
            raise Refused("only an instance itself may ask for that", code="instance.other")
        self._sharing.forget(name)
        if not await asyncio.to_thread(self._store.erase, name):
            raise Refused("nothing is kept of this instance", code=UNKNOWN)

    def _signed_by(self, incoming: Incoming, now: datetime) -> str:
        """The instance whose key has signed; whoever sends too much is not worth a look at it."""
        moment = monotonic()
        _allow(self._by_address, incoming.address, moment, "limit.address")
        if len(incoming.body) > LIMIT:
            raise Refused(f"a report has at most {LIMIT} bytes", code="report.size")
        if sum(map(len, chain(*incoming.headers.items()))) > LIMIT:
            raise Refused(f"its headers have at most {LIMIT} bytes", code="report.size")
        claimed = _KEY_ID.search(incoming.headers.get("signature-input", ""))
        if claimed is None:
            raise Refused("there is no signature with a key", code="signature.missing")
        name = instance_of(urlsafe_b64decode(claimed[1] + "="))
        # From here: nobody can use up what another may send by naming its key.
        _allow(self._by_key, (name, incoming.address), moment, "limit.instance")
        url = f"{self._settings.public_url}{incoming.path}"
        request = Request(incoming.method, url, incoming.body, incoming.headers)
        return instance_of(verify(request, now))

    def _enrolled(self, report: Report, address: str, now: int) -> Taken:
        _allow(self._new_by_address, address, monotonic(), "limit.enrolments")
        _allow(self._new, "", monotonic(), "limit.enrolments")
        return first(report, now)

    async def _doubt(self, known: Instance, rejection: Rejection, now: int) -> None:
        """Two machines with one key are for a person to see."""
        if rejection.code == CLONED:
            doubted = replace(known, cloned=now)
            await self._writer.keep(Change(doubted))
            self._sharing.put(doubted, now, What.CHANGED)

    async def _with_token(self, taken: Taken, token: str | None) -> Taken:
        known = taken.instance
        if known.verified or token is None or not self._tokens.allows(known.id, monotonic()):
            return taken
        if not await asyncio.to_thread(self._store.redeem, token, known.id, known.seen):
            return taken
        return replace(taken, instance=replace(known, verified=True), is_news=True)


def _allow(limit: Limit, key: object, now: float, code: str) -> None:
    if not limit.allows(key, now):
        wait = limit.wait(key)
        raise RetryLater(f"too much at once; again in {wait:.0f} s", code=code, after=wait)
