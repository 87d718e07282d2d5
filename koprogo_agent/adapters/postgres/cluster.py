# ruff: noqa: S608 - every name and value goes through the quoting of `statements`
r"""What a server holds beside the content of its databases: roles, settings, tablespaces.

Statements that bring it to another server are made by the server that has it, which does the
quoting, and travel in hexadecimal: a name may hold a line break. They hold the roles' password
verifiers, so they are kept in memory, and out of logs and messages.
"""

from __future__ import annotations

from koprogo_agent.adapters.postgres.statements import literal

QUIETLY = (
    "SET log_statement = 'none'; SET log_min_duration_statement = -1;"
    " SET log_min_error_statement = 'panic'; SET client_min_messages = 'error';"
)
"""For a session whose statements must not show in the server's log."""


def tablespaces() -> str:
    """The names of the tablespaces that somebody made."""
    return "SELECT spcname FROM pg_tablespace WHERE spcname !~ '^pg_' ORDER BY spcname;"


def is_open() -> str:
    """Whether the server is the real one.

    The official image sets a new cluster up on a temporary server, which answers on its socket
    only and is stopped soon.
    """
    return "SELECT current_setting('listen_addresses') <> '';"


def settings(app: str) -> str:
    """Statements, in hexadecimal, that give another server the roles and settings of this one.

    Of databases only the application's is brought along: owner, grants, connection limit, and
    what `ALTER DATABASE … SET` and `ALTER ROLE … SET` hold. The settings go through the catalog,
    as stored, for the reasons that `statements.copy_properties` gives.
    """
    made = " UNION ALL ".join((_roles(), _members(), _database(app), _settings(app)))
    return rf"""
        SELECT encode(convert_to(line, 'UTF8'), 'hex')
        FROM ({made}) AS made(place, line) ORDER BY place, line;
    """


def script(lines: list[str]) -> str:
    """The statements that `settings` has made, as one script."""
    return "\n".join((QUIETLY, *(bytes.fromhex(line).decode() for line in lines)))


def _roles() -> str:
    flags = {
        "rolsuper": "SUPERUSER",
        "rolinherit": "INHERIT",
        "rolcreaterole": "CREATEROLE",
        "rolcreatedb": "CREATEDB",
        "rolreplication": "REPLICATION",
        "rolbypassrls": "BYPASSRLS",
        "rolcanlogin": "LOGIN",
    }
    options = " || ".join(
        f"CASE WHEN {column} THEN ' {word}' ELSE ' NO{word}' END" for column, word in flags.items()
    )
    return rf"""
        SELECT 1, format('ALTER ROLE %I WITH', rolname) || {options}
            || format(' CONNECTION LIMIT %s', rolconnlimit)
            || coalesce(format(' PASSWORD %L', nullif(rolpassword, '')), '')
            || coalesce(' VALID UNTIL ' || quote_literal(rolvaliduntil), '') || ';'
        FROM pg_authid WHERE rolname !~ '^pg_'
    """


def _members() -> str:
    return r"""
        SELECT 2, format('GRANT %I TO %I', pg_get_userbyid(roleid), pg_get_userbyid(member))
            || CASE WHEN j ? 'inherit_option' THEN format(' WITH ADMIN %s, INHERIT %s, SET %s',
                    j->>'admin_option', j->>'inherit_option', j->>'set_option')
               WHEN admin_option THEN ' WITH ADMIN OPTION' ELSE '' END || ';'
        FROM pg_auth_members m, to_jsonb(m) j WHERE pg_get_userbyid(member) !~ '^pg_'
    """


def _database(app: str) -> str:
    source = f"FROM pg_database d WHERE datname = {literal(app)}"
    return rf"""
        SELECT 3, format('ALTER DATABASE %I OWNER TO %I;', datname, pg_get_userbyid(datdba))
            {source}
        UNION ALL
        SELECT 4, format('ALTER DATABASE %I CONNECTION LIMIT %s;', datname, datconnlimit) {source}
        UNION ALL
        SELECT 5, format('REVOKE ALL ON DATABASE %I FROM PUBLIC;', datname)
            {source} AND datacl IS NOT NULL
        UNION ALL
        SELECT 6, format('GRANT %s ON DATABASE %I TO %s%s;', privilege_type, datname,
                CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
                CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
            FROM pg_database, aclexplode(datacl) WHERE datname = {literal(app)}
    """


def _settings(app: str) -> str:
    return rf"""
        SELECT 7, 'DELETE FROM pg_db_role_setting;'
        UNION ALL
        SELECT 8, format('INSERT INTO pg_db_role_setting (setdatabase, setrole, setconfig) SELECT'
                ' coalesce((SELECT oid FROM pg_database WHERE datname = %L), 0),'
                ' coalesce((SELECT oid FROM pg_roles WHERE rolname = %L), 0), %L::text[];',
                d.datname, r.rolname, s.setconfig::text)
            FROM pg_db_role_setting s
            LEFT JOIN pg_database d ON d.oid = s.setdatabase
            LEFT JOIN pg_roles r ON r.oid = s.setrole
            WHERE s.setdatabase = 0 OR d.datname = {literal(app)}
    """
