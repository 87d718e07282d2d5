"""A fleet of any size with a year behind it, put straight into the database."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Table

from koprogo_agent.fleet.domain.outcomes import ARRIVED
from koprogo_agent.fleet.domain.releases import Release
from koprogo_agent.fleet.store import schema
from koprogo_agent.fleet.store.history import History
from koprogo_agent.fleet.store.releases import Releases

_DAY, _HOUR = 86_400, 3600
_DAYS, _RAW = 365, 90
_EVERY = 14 * _DAY
"""From one release to the next."""
_AT_ONCE = 20_000
_STATES = ("current", "rolled_back", "held", "stale", "paused", "late", "silent", "left")
_TOLD = 8
"""Transitions of an instance that are kept."""
_CODES = ("gate.unhealthy", "gate.restarts", "migration.failed", "image.pull", "backup.space")

Row = dict[str, Any]


def fill(engine: Engine, instances: int, now: int) -> list[str]:
    """Writes it, and gives the names of some of the instances."""
    chance = random.Random(12)
    History(engine).tidy(datetime.fromtimestamp(now, UTC), timedelta(days=_RAW))
    names = [secrets.token_hex(16) for _ in range(instances)]
    releases = Releases(engine)
    tags = [(f"v1.{n}.0", now - _DAYS * _DAY + n * _EVERY) for n in range(_DAYS * _DAY // _EVERY)]
    for number, (tag, published) in enumerate(tags):
        releases.name(Release(tag, published, security=number % 4 == 0))
    _write(engine, schema.instance, _instances(names, tags[-1][0], tags[-2][0], now, chance))
    _write(engine, schema.census, _census(tags, instances, now))
    raw = [(tag, at) for tag, at in tags if at > now - _RAW * _DAY]
    _write(engine, schema.transition, _transitions(names, raw, chance))
    _write(engine, schema.arrival, _arrivals(names, raw, chance))
    _write(engine, schema.tally, _tallies(tags, instances, chance))
    return names[:100]


def _write(engine: Engine, table: Table, rows: Iterator[Row]) -> None:
    batch: list[Row] = []
    with engine.begin() as connection:
        for row in rows:
            batch.append(row)
            if len(batch) == _AT_ONCE:
                connection.execute(table.insert(), batch)
                batch.clear()
        if batch:
            connection.execute(table.insert(), batch)


def _instances(
    names: list[str], newest: str, before: str, now: int, chance: random.Random
) -> Iterator[Row]:
    end = {"kind": "update", "tag": newest, "outcome": "rolled_back", "began": 1, "ended": 2}
    failed = json.dumps({**end, "step": "gate", "code": "gate.unhealthy"})
    waits = json.dumps({"tag": newest, "gate": "window"})
    for number, name in enumerate(names):
        state = chance.choices(_STATES[:5], (90, 4, 1, 2, 3))[0]
        quiet = chance.choices((100, 5_000, 200_000, 40 * _DAY), (92, 2, 4, 2))[0]
        yield {
            "id": name,
            "enrolled": now - 300 * _DAY,
            "verified": number % 3 == 0,
            "seen": now - quiet,
            "sequence": 1_000_000,
            "run": "0" * 16,
            "former": "",
            "cloned": now - 500 if number % 10_000 == 7 else None,
            "since": now - chance.randrange(40 * _DAY),
            "agent": "0.1.0",
            "channel": "stable",
            "state": state,
            "installed": newest if chance.random() < 0.9 else before,
            "digest": "a" * 64,
            "operation": failed if state == "rolled_back" else None,
            "pending": waits if state == "paused" else None,
            "polled": now - 100,
        }


def _census(tags: list[tuple[str, int]], instances: int, now: int) -> Iterator[Row]:
    today = now - now % _DAY
    for day in range(_DAYS):
        yield from _counted("day", today - (day + 1) * _DAY, tags, instances)
    for hour in range(_RAW * 24):
        yield from _counted("hour", now - now % _HOUR - hour * _HOUR, tags, instances)
    for hour in range(24):
        for minute in range(1, 60):
            at = now - now % _HOUR - (hour + 1) * _HOUR + minute * 60
            yield from list(_counted("min", at, tags, instances))[:12]


def _counted(span: str, at: int, tags: list[tuple[str, int]], instances: int) -> Iterator[Row]:
    there = [tag for tag, published in tags if published <= at][-4:]
    for age, tag in enumerate(reversed(there)):
        for state in _STATES:
            for verified in (True, False):
                share = (0.8, 0.12, 0.05, 0.03)[age] * (0.9 if state == "current" else 0.014)
                yield {
                    "span": span,
                    "at": at,
                    "installed": tag,
                    "state": state,
                    "verified": verified,
                    "instances": int(instances * share / 2),
                }


def _transitions(
    names: list[str], raw: list[tuple[str, int]], chance: random.Random
) -> Iterator[Row]:
    for name in names:
        for number in range(_TOLD):
            tag, published = raw[number % len(raw)]
            at = published + chance.randrange(400)
            yield {
                "instance": name,
                "at": at,
                "number": number,
                "received": at,
                "state": "current",
                "agent": "0.1.0",
                "installed": tag,
                "kind": "update",
                "tag": tag,
                "outcome": "committed",
                "began": at - 30,
                "ended": at,
                "seen": at - 60,
                "step": None,
                "code": None,
            }


def _arrivals(names: list[str], raw: list[tuple[str, int]], chance: random.Random) -> Iterator[Row]:
    for name in names:
        for tag, published in raw:
            at = published + chance.randrange(400)
            yield {"instance": name, "tag": tag, "outcome": ARRIVED, "at": at}


def _tallies(tags: list[tuple[str, int]], instances: int, chance: random.Random) -> Iterator[Row]:
    for tag, published in tags:
        common = {"tag": tag, "verified": True}
        first = published - published % 10
        late = sorted(chance.sample(range(20, 30_000), 2_000))
        for step in (*range(1, 20), *late):
            count = int(instances * 0.9 / 20) if step < 20 else 2
            yield common | {
                "outcome": ARRIVED,
                "at": first + 10 * step,
                "step": "",
                "code": "",
                "instances": count,
            }
        for number, code in enumerate(_CODES):
            yield common | {
                "outcome": "rolled_back",
                "at": first + 600 + 10 * number,
                "step": "gate",
                "code": code,
                "instances": 40,
            }
