"""Fills a stack's database with rows that look like a property manager's books."""

from __future__ import annotations

from tests.lab.stack import DATABASE, Stack

MEGABYTE = 1_000_000
BUILDINGS = 2_000
# A first batch tells how many bytes a row takes, index included.
PROBE_ROWS = 20_000

FILL_BUILDINGS = f"""
INSERT INTO buildings (id, name, city)
SELECT n, 'Residence ' || n, (ARRAY['Bruxelles', 'Liege', 'Gent', 'Namur'])[1 + n % 4]
FROM generate_series(1, {BUILDINGS}) AS n
ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants only
FILL_LEDGER = """
SET synchronous_commit = off;
SET session_replication_role = replica;
INSERT INTO ledger (id, building_id, booked_on, cents, memo)
SELECT n, 1 + n % {buildings}, DATE '2020-01-01' + (n % 2000)::int, (n * 7919::bigint) % 1000000,
       'Invoice ' || md5(n::text) || ' ' || repeat(md5((n / 3)::text), 8)
FROM generate_series({first}, {last}) AS n
"""


def fill(stack: Stack, megabytes: float) -> int:
    """Grow the database by about so many megabytes (10^6 bytes); its size in bytes afterwards."""
    goal = size(stack) + int(megabytes * MEGABYTE)
    stack.psql(FILL_BUILDINGS)
    before = size(stack)
    last = _add(stack, PROBE_ROWS)
    row_bytes = max(1.0, (size(stack) - before) / PROBE_ROWS)
    missing = goal - size(stack)
    if missing > 0:
        _add(stack, int(missing / row_bytes), after=last)
    stack.psql("CHECKPOINT")
    return size(stack)


def size(stack: Stack) -> int:
    """The size of the stack's database in bytes."""
    return int(stack.psql(f"SELECT pg_database_size('{DATABASE}')"))


def _add(stack: Stack, rows: int, after: int | None = None) -> int:
    """Add rows behind number `after` (default: behind all that are there); the last number."""
    known = stack.psql("SELECT coalesce(max(id), 0) FROM ledger") if after is None else after
    first = int(known) + 1
    last = first + rows - 1
    stack.psql(FILL_LEDGER.format(buildings=BUILDINGS, first=first, last=last))
    return last
