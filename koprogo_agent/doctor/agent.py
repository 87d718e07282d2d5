"""The agent itself: its journal, its lock, and whether anybody runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

from koprogo_agent import places
from koprogo_agent.adapters.lock import agent_lock
from koprogo_agent.doctor.finding import Finding, Patient, fault, good, warning
from koprogo_agent.errors import NeedsOperator, RetryLater
from koprogo_agent.ports import TO_MEND_A_RESTORE
from koprogo_agent.update.reading import JournalToRead
from koprogo_agent.update.restoring import read_refused
from koprogo_agent.update.standing import Standing
from koprogo_agent.wiring import build_teller


def journal(patient: Patient) -> Iterator[Finding]:
    """The journal can be read, is whole, and is written to."""
    aside = sorted(patient.journal.parent.glob(f"{patient.journal.name}.corrupt-*[0-9]"))
    for path in aside:
        said = f"a damaged journal was set aside: {path}"
        yield warning("journal", said, "check the disk (dmesg, smartctl), then remove that file")
    try:
        opened = JournalToRead(patient.journal)
    except NeedsOperator as error:
        level = warning if error.code == "journal.absent" else fault
        yield level("journal", error.message, error.advice)
        return
    try:
        verdict = opened.store.connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            yield fault("journal", f"it is damaged: {verdict}", "koprogo-agent check makes it anew")
            return
        yield good("journal", str(patient.journal))
        yield from _standing(patient, Standing(opened))
    finally:
        opened.close()


def _standing(patient: Patient, standing: Standing) -> Iterator[Finding]:
    held, polls = standing.held, standing.polls
    service = places.service(patient.config)
    start = f"systemctl enable --now {service}; its log: journalctl -u {service}"
    if held is not None:
        yield warning("held", held.reason, held.advice)
    stale = timedelta(seconds=patient.settings.policy.poll_stale_after)
    if polls.succeeded is None:
        yield warning("polls", "there was none yet", start)
    elif patient.now - polls.succeeded > stale:
        yield fault("polls", f"the last good one was {polls.succeeded:%Y-%m-%d %H:%M} UTC", start)
    elif polls.succeeded - patient.now > stale:
        said = f"the last one was in the future, {polls.succeeded:%Y-%m-%d %H:%M} UTC"
        yield fault("polls", said, "the clock was set back; look: timedatectl")
    else:
        yield good("polls", f"the last good one was {polls.succeeded:%Y-%m-%d %H:%M} UTC")


def restores(patient: Patient) -> Iterator[Finding]:
    """Backups can be restored, as far as a restore or a rehearsal has tried it."""
    try:
        with closing(JournalToRead(patient.journal)) as opened:
            refused = read_refused(opened)
    except NeedsOperator:
        return  # of which the check of the journal tells
    if refused is not None:
        tried = f"tried {refused.at:%Y-%m-%d %H:%M} UTC"
        said = f"{refused.said} ({tried}); until this is mended, neither can later backups"
        yield fault("restore", said, TO_MEND_A_RESTORE)


def reports(patient: Patient) -> Iterator[Finding]:
    """The fleet hears of this instance, or nobody wants it to."""
    settings = patient.settings
    if not settings.fleet.reports:
        return
    heard = build_teller(settings).outbox.heard
    if heard.failing_since:
        said = f"none was taken since {heard.failing_since:%Y-%m-%d %H:%M} UTC: {heard.failure}"
        yield warning("reports", said, f"updates need it not; look: curl -I {settings.fleet.url}")
    elif heard.taken:
        yield good("reports", f"the last was taken {heard.taken:%Y-%m-%d %H:%M} UTC")
    else:
        start = "the agent reports once it is started: koprogo-agent report send does it now"
        yield warning("reports", "none was sent yet", start)


def lock(patient: Patient) -> Iterator[Finding]:
    """Nobody else acts; or somebody does, which is as it should be, too."""
    try:
        with agent_lock(patient.settings.state.run_directory):
            yield good("lock", "no other agent is at work")
    except RetryLater as error:
        yield good("lock", error.message)
