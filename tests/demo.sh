#!/usr/bin/env bash
# The main job on real input, from nothing: installs what is missing, starts a PostgreSQL that is three nodes,
# builds runner and module from source, loads a month of flights. Run it again: nothing is loaded twice.
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

need_rust; need_cc; need_postgres
say "building etl (release; the first time takes some minutes)"
cargo build --release --locked -p etl
say "building the module examples/flights/flights.wasm from source"
tests/wasm.sh rust examples/flights --out examples/flights
tests/postgres.sh start demo
eval "$(tests/postgres.sh env demo)"
PASSFILE=$CACHE/demo.pgpass
export PGPASSFILE=$PASSFILE
tests/demo-database.sh
etl=$CARGO_TARGET_DIR/release/etl

say "etl run examples/flights/recipe.toml"
status=0
"$etl" run examples/flights/recipe.toml || status=$?
# 8: done, with rejects. The story has some: airports without a time zone.
case $status in 0 | 8) ;; *) exit "$status" ;; esac

say "the same numbers, asked of the target (psql)"
psql_demo() { psql -X -h 127.0.0.1 -U etl -d etl "$@"; }
psql_demo -c 'SELECT count(*) AS flights, count(*) FILTER (WHERE cancelled) AS cancelled,
  min(departure) AS first_departure, max(arrival) AS last_arrival FROM public.flights'
psql_demo -c 'SELECT stage, code, reason, count(*) FROM etl.reject GROUP BY 1, 2, 3 ORDER BY 4 DESC'
psql_demo -c 'SELECT count(*) AS splits, sum(read) AS read, sum(loaded) AS loaded, sum(filtered) AS filtered,
  sum(rejected) AS rejected, bool_and(done) AS done FROM etl.ledger'
cat >&2 <<EOF

Look around:    PGPASSFILE=$PASSFILE psql -h 127.0.0.1 -p $PGPORT -U etl etl
Run it again:   make demo          (nothing is loaded twice)
Stop it:        make stop          (keeps the data)
Remove it all:  tests/postgres.sh remove demo
EOF
