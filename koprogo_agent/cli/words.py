"""Numbers, times and steps as people say them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from koprogo_agent.domain.duration import span
from koprogo_agent.domain.hold import Way
from koprogo_agent.domain.plan import Action, Direction, Step
from koprogo_agent.update.operation import Facts, met_of

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_KILO = 1000
_DIGITS = 12
_UNDONE = {
    Step.STAGE: "the release's files are forgotten",
    Step.PULL: "images that only this brought are removed",
    Step.REHEARSE: "the scratch copy is removed",
    Step.POINT: "the data is as it was",
    Step.RESTORE: "the data is as it was",
    Step.SWITCH: "the earlier version is started",
    Step.GATE: "the earlier version is healthy",
    Step.RELEASE: "users are with the earlier version",
    Step.COMMIT: "the earlier version is what is installed",
}
_PLAIN = {
    Step.POINT: "a rollback point is made",
    Step.RESTORE: "the backup is in place",
    Step.MIGRATE: "the migration has run",
    Step.SWITCH: "containers are exchanged",
    Step.COMMIT: "it is what is installed now",
}


def size(count: float) -> str:
    """Bytes, in units of a thousand, as disks and networks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < _KILO:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KILO
    return f"{count:.1f} TB"


def ago(then: datetime, now: datetime) -> str:
    """How long ago, or in how long: `3 min ago`, `in 4 min`."""
    away = abs((now - then).total_seconds())
    if away < _MINUTE:
        about = f"{away:.0f} s"
    elif away < _HOUR:
        about = f"{away // _MINUTE:.0f} min"
    elif away < 2 * _DAY:
        about = f"{away // _HOUR:.0f} h"
    else:
        about = f"{away // _DAY:.0f} days"
    return f"in {about}" if then > now else f"{about} ago"


def local(then: datetime) -> str:
    """A time on this machine's wall, with its zone."""
    return then.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def when(then: datetime, now: datetime) -> str:
    """Both: `3 min ago (2026-11-23 14:03:21 CET)`."""
    return f"{ago(then, now)} ({local(then)})"


def iso(then: datetime | None) -> str | None:
    """For programs: ISO 8601, in UTC, to the second."""
    return then.isoformat(timespec="seconds") if then else None


def rate(count: float, seconds: float) -> str:
    """Bytes a second."""
    return f"{size(count / seconds)}/s" if seconds > 0 else ""


def brief(text: str, length: int) -> str:
    """The beginning of a text, where it is longer."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def reference(of: str) -> str:
    """An image reference with as much of the digest as people compare."""
    repository, at, digest = of.partition("@sha256:")
    return f"{repository}{at}{digest[:_DIGITS]}…" if at else of


def learned(action: Action, facts: Facts) -> str:
    """What a finished action is worth saying about."""
    if action.direction is Direction.UNDO:
        return _UNDONE.get(action.step, "")
    tell = _TOLD.get(action.step)
    return tell(facts) if tell else _PLAIN.get(action.step, "")


def _pull(facts: Facts) -> str:
    brought = facts.get("bytes")
    return f"{size(brought)} of images" if brought else "every image is here already"


def _backup(facts: Facts) -> str:
    return f"{size(facts['bytes'])} in {span(facts['seconds'])}, read back whole"


def _hold(facts: Facts) -> str:
    said = _HOLDS.get(Way(facts.get("way", Way.IN_USE)), "")
    return f"{said}: {facts['why']}" if facts.get("why") else said


def _release(facts: Facts) -> str:
    return f"users are in; {met_of(facts)}"


def _tidy(facts: Facts) -> str:
    count = facts.get("images")
    return f"{count} image{'' if count == 1 else 's'} that nothing needs" if count else ""


def _budget(facts: Facts) -> str:
    database = f", database {size(facts['database'])}" if facts.get("database") else ""
    return f"needs {size(facts['needed'])} of {size(facts['free'])} free{database}"


def _rehearsal(facts: Facts) -> str:
    if "left_out" in facts:
        return f"left out: {facts['left_out']}"
    parts = (("restore", "restore"), ("migration", "migrate"), ("start", "start"))
    told = [
        f"{word} {span(facts[f'{key}_seconds'])}"
        for word, key in parts
        if facts.get(f"{key}_seconds", 0) >= 0.05  # noqa: PLR2004 - would be shown as 0.0 s
    ]
    if "works_with" in facts:
        told.append(f"{facts['works_with']} starts on the new schema")
    return ", ".join(told)


_HOLDS = {
    Way.BESIDE: "the new version serves users beside the old one",
    Way.WAIT: "requests wait from here on",
    Way.CLOSED: "users cannot connect from here on",
    Way.AWAY: "what is exchanged is away while it starts",
    Way.IN_USE: "users stay in",
}

_TOLD: Mapping[Step, Callable[[Facts], str]] = {
    Step.STAGE: lambda facts: f"{facts['files']} files",
    Step.BUDGET: _budget,
    Step.PULL: _pull,
    Step.BACKUP: _backup,
    Step.REHEARSE: _rehearsal,
    Step.HOLD: _hold,
    Step.RELEASE: _release,
    Step.GATE: lambda facts: f"healthy after {span(facts['seconds'])}",
    Step.SOAK: lambda facts: f"healthy for {span(facts['seconds'])}" if facts["seconds"] else "",
    Step.TIDY: _tidy,
}
