# ruff: noqa: S608 - quoting is this module's own task, see below
r"""The SQL that the agent sends, as text.

Names and values are quoted here and nowhere else. Statements that depend on what the server holds
are made by the server (`format`, run by psql's `\gexec`), so that it does the quoting.
"""

from __future__ import annotations

from collections.abc import Iterable

ASKING = "koprogo-agent"
WORKING = "koprogo-agent-work"
"""Names under which sessions of the agent show in pg_stat_activity: short questions, and work."""


def identifier(name: str) -> str:
    """A name as SQL wants it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL wants it (standard_conforming_strings is on in every session)."""
    return "'" + text.replace("'", "''") + "'"


def size(app: str) -> str:
    """Bytes of a database."""
    return f"SELECT pg_database_size({literal(app)});"


def free_connections() -> str:
    """How many connections are neither open nor reserved (`reserved_connections`: from 16 on)."""
    return (
        "SELECT current_setting('max_connections')::int"
        " - current_setting('superuser_reserved_connections')::int"
        " - coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int"
        " - count(*) FILTER (WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())"
        " FROM pg_stat_activity;"
    )


def exists(names: Iterable[str]) -> str:
    """Which of these databases exist, whole: an interrupted DROP leaves an invalid one."""
    listed = ", ".join(literal(name) for name in names)
    return (
        f"SELECT datname FROM pg_database WHERE datname IN ({listed})"
        " AND datconnlimit <> -2 ORDER BY datname;"
    )


def roles() -> str:
    """The names of the cluster's own roles."""
    return "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY rolname;"


def add_roles(names: Iterable[str]) -> str:
    """Makes the roles that are missing; without login, because their passwords are not known."""
    listed = ", ".join(literal(name) for name in names)
    return rf"""
        SELECT format('CREATE ROLE %I NOLOGIN', name) FROM unnest(ARRAY[{listed}]::text[]) AS name
        WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
    """


def relations() -> str:
    """How many relations of its own a database holds; those of extensions do not count."""
    return """
        SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                        AND d.objid = c.oid AND d.deptype = 'e');
    """


def end_stragglers() -> str:
    """Ends what a killed agent left running: psql and pg_restore outlive the agent."""
    return f"""
        SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
        WHERE application_name = {literal(WORKING)} AND pid <> pg_backend_pid();
    """


def clear_the_way(name: str, partial: str) -> str:
    """Refuses (42501, 42P04) what cannot work, then removes what an interrupted call left."""
    return f"""
        DO $$ BEGIN
            IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
                RAISE insufficient_privilege USING MESSAGE = 'the role is not a superuser';
            ELSIF EXISTS (SELECT FROM pg_database WHERE datname = {literal(name)}) THEN
                RAISE duplicate_database USING MESSAGE =
                    format('database %I exists already', {literal(name)});
            END IF;
        END $$;
        {end_stragglers()}
        {drop(partial)}
    """


def end_sessions(*names: str) -> str:
    """Ends every session in these databases."""
    listed = ", ".join(literal(name) for name in names)
    return f"""
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname IN ({listed}) AND pid <> pg_backend_pid();
    """


def copy(app: str, to: str) -> str:
    """Copies a database file by file; nobody else may be in it.

    No `ALLOW_CONNECTIONS false` around it: a crash would leave the application locked out. While
    the copy runs, PostgreSQL holds a lock on which new sessions wait.
    """
    return rf"""
        {end_sessions(app)}
        SELECT format('CREATE DATABASE %I TEMPLATE %I OWNER %I',
                      {literal(to)}, datname, pg_get_userbyid(datdba))
            || CASE WHEN current_setting('server_version_num')::int >= 150000
               THEN ' STRATEGY FILE_COPY' ELSE '' END
        FROM pg_database WHERE datname = {literal(app)} \gexec
    """


def create_like(app: str, name: str) -> str:
    """Makes an empty database with the owner, encoding, locale and tablespace of another."""
    return rf"""
        SELECT format('CREATE DATABASE %I TEMPLATE template0 OWNER %I ENCODING %L'
                      ' LC_COLLATE %L LC_CTYPE %L TABLESPACE %I',
                      {literal(name)}, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding),
                      d.datcollate, d.datctype, t.spcname)
            || CASE j->>'datlocprovider'
               WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L',
                                    coalesce(j->>'daticulocale', j->>'datlocale'))
               WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', j->>'datlocale')
               ELSE '' END
        FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace, to_jsonb(d) j
        WHERE d.datname = {literal(app)} \gexec
    """


def copy_properties(app: str, to: str) -> str:
    """Gives a database what CREATE DATABASE does not copy: grants, settings, connection limit.

    Settings go through the catalog, as stored: some cannot be SET in a session, and quoting lists
    such as search_path anew would change them.
    """
    source = f"FROM pg_database WHERE datname = {literal(app)}"
    return rf"""
        SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', {literal(to)})
        {source} AND datacl IS NOT NULL \gexec
        SELECT format('GRANT %s ON DATABASE %I TO %s%s', privilege_type, {literal(to)},
                      CASE grantee WHEN 0 THEN 'PUBLIC'
                      ELSE quote_ident(pg_get_userbyid(grantee)) END,
                      CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM pg_database, aclexplode(datacl) WHERE datname = {literal(app)} \gexec
        SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', {literal(to)}, datconnlimit)
        {source} \gexec
        INSERT INTO pg_db_role_setting (setdatabase, setrole, setconfig)
        SELECT (SELECT oid FROM pg_database WHERE datname = {literal(to)}), setrole, setconfig
        FROM pg_db_role_setting WHERE setdatabase = (SELECT oid {source});
    """


def rename(old: str, new: str) -> str:
    """Renames a database."""
    return f"ALTER DATABASE {identifier(old)} RENAME TO {identifier(new)};"


def exchange(app: str, aside: str, instead: str) -> str:
    """Puts the application's database aside and another in its place, in one transaction."""
    return f"""
        {end_sessions(app, instead)}
        BEGIN; {rename(app, aside)} {rename(instead, app)} COMMIT;
    """


def drop(name: str) -> str:
    """Drop a database if it exists; end its sessions, and clear its template flag first."""
    return rf"""
        SELECT format('ALTER DATABASE %I IS_TEMPLATE false', datname)
        FROM pg_database WHERE datname = {literal(name)} AND datistemplate \gexec
        DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE);
    """


def progress_mark() -> str:
    """WAL written, in steps of 64 KiB, and how far index builds and table rewrites are.

    A checkpoint of an idle server writes some hundred bytes of WAL: in such steps that is nothing.
    Sorting for an index writes none, so it is asked for by itself.
    """
    return """
        SELECT concat_ws('.',
            div(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'), 65536),
            (SELECT sum(blocks_done + tuples_done) FROM pg_stat_progress_create_index),
            (SELECT sum(heap_blks_scanned + heap_tuples_written) FROM pg_stat_progress_cluster));
    """
