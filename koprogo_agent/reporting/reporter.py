"""Tells the fleet, in a thread of its own: neither a tick nor an update ever waits for it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic

import structlog

from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.errors import AgentError
from koprogo_agent.pace import Pace
from koprogo_agent.reporting.snapshot import Snapshot
from koprogo_agent.reporting.teller import Teller
from koprogo_agent.wire.answer import Answer
from koprogo_agent.wire.report import encode

log = structlog.get_logger()

_JOIN_SECONDS = 2.0


class Reporter:
    """Reports at the fleet's pace, and at once when something has changed."""

    def __init__(self, teller: Teller, interval: float, poll: Callable[[], None]) -> None:
        """Nothing is said before the first `notice`.

        Args:
            teller: speaks for this instance.
            interval: seconds to the next report, until the fleet says otherwise.
            poll: what to do when the fleet knows of a newer release.
        """
        self._teller = teller
        self._poll = poll
        self._pace = Pace(interval)
        self._due = monotonic()
        self._snapshot: Snapshot | None = None
        self._has_news = False
        self._stopping = False
        self._hinted: str | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._report, name="reporter", daemon=True)

    def start(self) -> None:
        """Begins to report."""
        self._teller.outbox.begin_run()
        self._thread.start()

    def stop(self) -> None:
        """Ends; a report that is on its way is not waited for."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)

    def rehearse(self, snapshot: Snapshot) -> None:
        """Makes and signs a report that nobody sends; raises whatever keeps it from that."""
        body = encode(self._teller.compose(snapshot))
        self._teller.fleet.signature(body)

    def notice(self, snapshot: Snapshot) -> None:
        """This is how it stands now: what is new is kept at once, and soon told."""
        is_news = self._teller.outbox.note(snapshot, self._teller.agent)
        with self._changed:
            self._snapshot = snapshot
            self._has_news |= is_news
            self._changed.notify()

    def _report(self) -> None:
        while (snapshot := self._next()) is not None:
            self._pace = self._told(snapshot)
            self._due = monotonic() + self._pace.pause(random.random())  # noqa: S311 - no secret

    def _next(self) -> Snapshot | None:
        """What is to be told, once it is time; None at the end."""
        with self._changed:
            while not self._stopping:
                left = self._due - monotonic()
                # A server that is not well is not pressed by news.
                may_speak = left <= 0 or (self._has_news and not self._pace.failures)
                if self._snapshot and may_speak:
                    self._has_news = False
                    return self._snapshot
                self._changed.wait(max(left, 0.0) if self._snapshot else None)
        return None

    def _told(self, snapshot: Snapshot) -> Pace:
        """Tells it, and gives the pace from then on."""
        try:
            said = self._teller.tell(snapshot, datetime.now(UTC))
        except AgentError as error:
            return self._failed(error.code, error.message)
        except Exception:  # a fault of ours in one report must not end all reports
            log.exception("report.bug")
            return self._pace.failed()
        if not isinstance(said, Answer):
            return self._failed(said.code, said.message, float(said.after or 0))
        if self._pace.failures:
            log.info("report.taken", after_failures=self._pace.failures)
        self._follow(said, snapshot)
        return self._pace.taken(said.interval)

    def _failed(self, code: str, why: str, asked: float = 0.0) -> Pace:
        if not self._pace.failures:
            log.warning("report.not_taken", code=code, why=why)
        return self._pace.failed(asked)

    def _follow(self, answer: Answer, snapshot: Snapshot) -> None:
        """A hint is followed once: whoever repeats it gains nothing."""
        hint = answer.highest
        if hint is None or hint == self._hinted:
            return
        self._hinted = hint
        known = [tag for tag in (snapshot.installed, _pending(snapshot)) if tag]
        if all(parse_tag(hint) > parse_tag(tag) for tag in known):
            log.info("report.hint", highest=hint)
            self._poll()


def _pending(snapshot: Snapshot) -> str | None:
    return snapshot.pending.tag if snapshot.pending else None
