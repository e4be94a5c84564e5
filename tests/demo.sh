#!/usr/bin/env bash
# The main job on real input, from nothing: installs what is missing, starts a PostgreSQL that is three nodes,
# builds runner and module from source, loads a month of flights. Run it again: nothing is loaded twice.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/demo-lib.sh"
cd "$ROOT"

example=examples/flights
demo_setup $example
demo_table public.flights $example/create.sql
demo_etl run $example/recipe.toml

say "the same numbers, asked of the target (psql)"
psql_demo -c 'SELECT count(*) AS flights, count(*) FILTER (WHERE cancelled) AS cancelled,
  min(departure) AS first_departure, max(arrival) AS last_arrival FROM public.flights'
psql_demo -c "SELECT stage, code, reason, count(*) FROM etl.reject WHERE name = 'flights' GROUP BY 1, 2, 3 ORDER BY 4 DESC"
psql_demo -c "SELECT count(*) AS splits, sum(read) AS read, sum(loaded) AS loaded, sum(filtered) AS filtered,
  sum(rejected) AS rejected, bool_and(done) AS done FROM etl.ledger WHERE name = 'flights'"
cat >&2 <<EOF

Look around:    PGPASSFILE=$PGPASSFILE psql -h 127.0.0.1 -p $PGPORT -U etl etl
Run it again:   make demo          (nothing is loaded twice)
Stop it:        make stop          (keeps the data)
Remove it all:  tests/postgres.sh remove demo
EOF
