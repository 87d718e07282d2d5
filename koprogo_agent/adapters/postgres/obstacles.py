# ruff: noqa: S608 - every name and value goes through the quoting of `statements`
r"""What may keep a database from being copied, exchanged or dropped, asked in two questions."""

from __future__ import annotations

import json
from typing import Any

from koprogo_agent.adapters.postgres.server import Server
from koprogo_agent.adapters.postgres.statements import literal
from koprogo_agent.domain.database import (
    Console,
    DatabaseState,
    OpenTransaction,
    Prepared,
    Slot,
    Subscription,
)
from koprogo_agent.ports import DatabaseAt

_EXTENSIONS = "SELECT extname FROM pg_extension ORDER BY extname;"


def state_of(server: Server, at: DatabaseAt, name: str) -> DatabaseState | None:
    """The state of a database of a server; None where there is no such database."""
    answered = "".join(server.ask(_state(name)))
    if not answered:
        return None
    told: dict[str, Any] = json.loads(answered)
    # A database that lets no session in cannot be asked what is installed in it.
    extensions = server.ask(_EXTENSIONS, name) if told["allows"] else []
    return DatabaseState(
        name=name,
        console=Console(at.project, at.service, server.access["PGUSER"]),
        major=told["version"] // 10000,
        superuser=told["superuser"],
        allows_connections=told["allows"],
        connection_limit=told["limit"],
        collation_recorded=told["recorded"] or "",
        collation_now=told["now"] or "",
        prepared=tuple(Prepared(*one) for one in told["prepared"]),
        slots=tuple(Slot(*one) for one in told["slots"]),
        subscriptions=tuple(Subscription(*one) for one in told["subscriptions"]),
        transactions=tuple(OpenTransaction(*one) for one in told["transactions"]),
        extensions=tuple(extensions),
    )


def _state(name: str) -> str:
    """One JSON document about a database; PostgreSQL has collation versions from 15 on.

    Of transactions, those that hold an id (they have written) or run a query. The agent's own
    sessions do not count, nor does `pg_dump` of the agent.
    """
    return rf"""
        SELECT CASE WHEN current_setting('server_version_num')::int >= 150000
               THEN 'pg_database_collation_actual_version(d.oid)' ELSE 'NULL' END AS version \gset
        SELECT json_build_object(
            'version', current_setting('server_version_num')::int,
            'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
            'allows', d.datallowconn,
            'limit', d.datconnlimit,
            'recorded', to_jsonb(d)->>'datcollversion',
            'now', :version,
            'prepared', ARRAY(SELECT json_build_array(gid, owner) FROM pg_prepared_xacts
                WHERE database = d.datname ORDER BY prepared),
            'slots', ARRAY(SELECT json_build_array(slot_name, active) FROM pg_replication_slots
                WHERE database = d.datname AND NOT temporary ORDER BY slot_name),
            'subscriptions', ARRAY(SELECT json_build_array(quote_ident(subname), subenabled)
                FROM pg_subscription WHERE subdbid = d.oid ORDER BY subname),
            'transactions', ARRAY(SELECT json_build_array(pid,
                    concat(usename, ' from ', coalesce(host(client_addr), 'the container itself'),
                           ' (' || nullif(application_name, '') || ')'),
                    extract(epoch FROM now() - xact_start)::float)
                FROM pg_stat_activity WHERE datid = d.oid AND backend_type = 'client backend'
                    AND application_name NOT LIKE 'koprogo-agent%'
                    AND (backend_xid IS NOT NULL OR state = 'active') ORDER BY xact_start))
        FROM pg_database d WHERE d.datname = {literal(name)};
    """
