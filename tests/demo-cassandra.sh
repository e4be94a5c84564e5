#!/usr/bin/env bash
# A migration from Cassandra, from nothing: installs what is missing (Java 17, Maven, 67 MB of jars, PostgreSQL), starts a
# Cassandra with a bank's 20,000 postings and a PostgreSQL that is three nodes, builds runner and module from source, and
# goes the whole way of examples/cassandra-to-yugabyte. Run it again: nothing is written or loaded twice.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/demo-lib.sh"
cd "$ROOT"

example=examples/cassandra-to-yugabyte
say "installs what is missing: PostgreSQL (60 MB), Java 17 (190 MB), Maven, 67 MB of jars for Cassandra"
tests/cassandra.sh start demo
eval "$(tests/cassandra.sh env demo)"
demo_setup $example
say "writing a bank's postings into Cassandra"
cargo build --release --locked -p etl-tests --bin etl-load-bank
"$CARGO_TARGET_DIR/release/etl-load-bank" "$ETL_TEST_CASSANDRA"
export ETL_SOURCE__CASSANDRA__PORT=${ETL_TEST_CASSANDRA##*:}

demo_etl init "cassandra://$ETL_TEST_CASSANDRA/bank" --output -
demo_etl ddl $example/recipe.toml | tee "$CACHE/demo-transactions.sql"
demo_table public.transactions "$CACHE/demo-transactions.sql"
demo_etl check $example/recipe.toml
demo_etl plan $example/recipe.toml
demo_etl run $example/recipe.toml

say "what was rejected, and why (psql)"
psql_demo -f $example/rejects.sql
say "what has arrived (psql)"
psql_demo -f $example/totals.sql
say "the same command again: nothing is loaded twice"
demo_etl run $example/recipe.toml
cat >&2 <<EOF

Look around:    PGPASSFILE=$PGPASSFILE psql -h 127.0.0.1 -p $PGPORT -U etl etl
Run it again:   make demo-cassandra   (nothing is written or loaded twice)
Stop it:        make stop             (keeps the data)
Remove it all:  tests/cassandra.sh remove demo; tests/postgres.sh remove demo
EOF
