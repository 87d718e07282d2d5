#!/bin/sh
# Initialises the cluster once, from the environment that the official image knows, then becomes
# the server: signals must reach it.
set -eu

# By path: the shell would otherwise run an applet of its own by that name.
as_postgres() { exec /usr/bin/setpriv --reuid=999 --regid=999 --clear-groups -- "$@"; }

if [ "${1#-}" != "$1" ]; then set -- postgres "$@"; fi
if [ "$1" != postgres ]; then exec "$@"; fi

user="${POSTGRES_USER:-postgres}"
database="${POSTGRES_DB:-$user}"
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
    if [ -n "${POSTGRES_PASSWORD:-}" ]; then
        echo 'POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are exclusive' >&2
        exit 1
    fi
    POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
fi
mkdir -p "$PGDATA" /run/postgresql
chown 999:999 "$PGDATA" /run/postgresql
chmod 700 "$PGDATA"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    : "${POSTGRES_PASSWORD:?must be set}"
    printf '%s\n' "$POSTGRES_PASSWORD" >/run/postgresql/initial
    chown 999:999 /run/postgresql/initial
    (as_postgres initdb -D "$PGDATA" --username="$user" --pwfile=/run/postgresql/initial \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync)
    rm /run/postgresql/initial
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    if [ "$database" != postgres ]; then
        echo "CREATE DATABASE \"$database\"" |
            (as_postgres postgres --single -j -D "$PGDATA" postgres)
    fi
    sync
fi

as_postgres "$@" -c listen_addresses='*'
