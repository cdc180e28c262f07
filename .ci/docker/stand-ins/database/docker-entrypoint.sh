#!/usr/bin/env bash
# Creates the cluster on the first start from POSTGRES_USER, POSTGRES_PASSWORD_FILE and POSTGRES_DB. Then runs the server.
set -euo pipefail

if [[ $(id -u) == 0 ]]; then
  install --directory --owner postgres --mode 0700 "$PGDATA"
  chown postgres "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi

if [[ ! -s $PGDATA/PG_VERSION ]]; then
  initdb --username "$POSTGRES_USER" --pwfile "$POSTGRES_PASSWORD_FILE" --encoding UTF8 --locale C.UTF-8 > /dev/null
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start > /dev/null
  createdb --username "$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl -D "$PGDATA" -m fast -w stop > /dev/null
fi
exec "$@"
