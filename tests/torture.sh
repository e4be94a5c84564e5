#!/usr/bin/env bash
# Kills loads a thousand times (ETL_TORTURE_KILLS), at steps of the protocol and at random moments, continues them by
# the same command, and compares every load's rows and rejects by content. Each load prints its seed:
#
#   ETL_TORTURE_SEED=17 make torture    replays the load with that seed
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

need_rust; need_cc; need_postgres
tests/postgres.sh start torture
eval "$(tests/postgres.sh env torture)"
trap 'tests/postgres.sh stop torture' EXIT
say "modules, built from source"
tests/guests.sh
export ETL_GUESTS=$CACHE/guests ETL_TORTURE_KILLS=${ETL_TORTURE_KILLS:-1000}
cargo build --locked --workspace
say "torture"
cargo test --locked --workspace --test torture forty_kills -- --nocapture
