#!/usr/bin/env bash
# The demos' database: a role with a password, and yb_servers() that makes one server look like three nodes. Needs the
# variables of `tests/postgres.sh env demo` and PGPASSFILE. Does nothing that is there already.
. "$(dirname "$0")/lib.sh"

: "${PGPORT:?}" "${PGPASSFILE:?}"
admin() { psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -U postgres "$@"; }
if [ ! -f "$PGPASSFILE" ]; then
  (umask 077; od -An -N16 -tx1 /dev/urandom | tr -d ' \n' | sed 's/^/*:*:etl:etl:/' >"$PGPASSFILE")
fi
password=$(sed 's/.*://' "$PGPASSFILE")
# The password goes by standard input: an argument would show in the list of processes.
admin -d postgres <<SQL
SELECT 'CREATE ROLE etl LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'etl') \gexec
ALTER ROLE etl PASSWORD '$password';
SELECT 'CREATE DATABASE etl OWNER etl' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'etl') \gexec
SQL
admin -d etl <<'SQL'
CREATE OR REPLACE FUNCTION public.yb_servers() RETURNS TABLE (host text, port bigint, num_connections bigint,
  node_type text, cloud text, region text, zone text, public_ip text, uuid text) LANGUAGE sql STABLE AS $$
  SELECT '127.0.0.' || n, current_setting('port')::bigint, 0::bigint, 'primary', 'demo', 'loopback',
         'zone' || n, '127.0.0.' || n, md5(n::text)::uuid::text
  FROM generate_series(1, 3) n
$$;
GRANT CREATE, USAGE ON SCHEMA public TO etl;
SQL
