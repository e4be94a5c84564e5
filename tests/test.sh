#!/usr/bin/env bash
# Every test, from nothing: installs what is missing, starts a PostgreSQL and a Cassandra, builds modules from
# source, then formatting, lints, unit, property and end-to-end tests, fuzzing, SDKs, docs, licences.
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

need_rust; need_cc; need_postgres
tests/postgres.sh programs 11 >/dev/null
tests/postgres.sh programs 18 >/dev/null
tests/postgres.sh start test
eval "$(tests/postgres.sh env test)"
tests/cassandra.sh start test
eval "$(tests/cassandra.sh env test)"
trap 'tests/postgres.sh stop test; tests/cassandra.sh remove test; tests/cassandra.sh sweep' EXIT

say "formatting"
cargo fmt --all --check
(cd tests/fuzz && cargo fmt --check)
say "modules, built from source"
tests/guests.sh
export ETL_GUESTS=$CACHE/guests
say "lints"
cargo clippy --locked --workspace --all-targets -- -D warnings
say "tests"
cargo build --locked -p etl
cargo test --locked --workspace --no-fail-fast
say "fuzzing, for a short while"
tests/fuzz.sh "${ETL_FUZZ_SECONDS:-10}"
say "the SDK for Rust, on this machine"
(cd sdk/rust && cargo fmt --all --check && cargo test --locked --workspace)
for example in examples/*/Cargo.toml; do
  (cd "$(dirname "$example")" && cargo fmt --all --check && cargo test --locked)
done
say "docs"
RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --workspace --document-private-items
say "every test passed"
