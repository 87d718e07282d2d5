"""Proof that a database was not written to, by PostgreSQL's transaction ids.

Every change of data that outlives its session needs a transaction id: rows, TRUNCATE, large
objects, DDL, `setval`. If no id was used, nothing was written. The only exception is `nextval`,
which uses an id in one of 33 calls; so the state of the sequences is compared as well. A used id
is not a write if PostgreSQL itself used it for an automatic ANALYZE, which leaves the id on the
statistics that it stores. Everything else counts as a write. Proof and sources:
`docs/decisions/0002-writes.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_EXPLAINED = 1000
"""Maximum number of transaction ids that are checked one by one; more count as a write."""
_FIELDS = 5


@dataclass(frozen=True)
class Mark:
    """How far a server has come at one moment.

    Attributes:
        snapshot: the transactions that have ended or run (`pg_current_snapshot`).
        database: the database's id; another one has other data.
        sequences: a hash of what its sequences have handed out.
        counters: time of the last statistics reset (a crash is one), and `on` if statistics are
            collected and reported at once (from PostgreSQL 15).
        analyzed: number of manual ANALYZE runs.
    """

    snapshot: str
    database: str
    sequences: str
    counters: str
    analyzed: str

    @classmethod
    def read(cls, text: str) -> Mark | None:
        """A mark from its text; None where another version of the agent has written it."""
        fields = text.split("|")
        return cls(*fields) if len(fields) == _FIELDS else None

    def transactions_until(self, later: Mark) -> range | None:
        """The ids used in between; None where they cannot be told or looked into one by one.

        What ran at either moment may end at any later one.
        """
        (_, first, running), (_, end, running_later) = self._snapshot, later._snapshot
        same = (self.counters, self.analyzed) == (later.counters, later.analyzed)
        counts = self.counters.endswith(" on")
        used = range(int(first), int(end))
        told = same and counts and not running and not running_later
        return used if told and len(used) <= MOST_EXPLAINED else None

    @property
    def _snapshot(self) -> list[str]:
        return self.snapshot.split(":")


def mark() -> str:
    """The text of a mark."""
    return """
        SELECT concat_ws('|', pg_current_snapshot(),
            (SELECT oid FROM pg_database WHERE datname = current_database()),
            (SELECT md5(coalesce(string_agg(concat_ws(' ', schemaname, sequencename, last_value),
                                            ',' ORDER BY schemaname, sequencename), ''))
             FROM pg_sequences),
            (SELECT stats_reset FROM pg_stat_bgwriter) || ' '
                || CASE WHEN current_setting('server_version_num')::int < 150000 THEN 'late'
                   ELSE current_setting('track_counts') END,
            (SELECT coalesce(sum(analyze_count), 0) FROM pg_stat_all_tables));
    """


def were_analyzes(transactions: range) -> str:
    """SQL: whether each of these transactions has stored statistics, which only ANALYZE does."""
    # Rows carry the lower half of an id.
    return f"""
        SELECT NOT EXISTS (
            SELECT FROM generate_series({transactions.start}::bigint, {transactions.stop - 1}) id
            WHERE (id % 4294967296)::text::xid NOT IN (
                SELECT xmin FROM pg_statistic UNION ALL SELECT xmin FROM pg_statistic_ext_data));
    """  # noqa: S608 - numbers only
