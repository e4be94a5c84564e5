#!/usr/bin/env bash
# Kills loads of a file and of a table of Cassandra a thousand times each (ETL_TORTURE_KILLS), at steps of the protocol
# and at random moments, continues them by the same command, and compares every load's rows and rejects by content.
# Each load prints its seed:
#
#   ETL_TORTURE_SEED=17 make torture    replays the load with that seed, of either source
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

need_rust; need_cc; need_postgres
finish() {
  tests/postgres.sh remove torture || true
  tests/cassandra.sh remove torture || true
}
trap finish EXIT
start_servers torture
build_guests
export ETL_TORTURE_KILLS=${ETL_TORTURE_KILLS:-1000}
cargo build --locked --workspace
say "torture"
cargo test --locked --workspace --no-fail-fast --test torture --test cassandra kills_leave_exactly_the_rows_and_the_rejects -- --nocapture
