#!/usr/bin/env bash
# Every test, from nothing: installs what is missing, starts a PostgreSQL and a Cassandra, builds modules from
# source, then formatting, lints, unit, property and end-to-end tests, fuzzing, SDKs, docs, licences.
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

# One at a time: they share servers, databases and the binary.
exec 8>"$CACHE/test.lock"
flock -n 8 || {
  say "another 'make test' runs on this machine: waiting for its end (ETL_CACHE names another folder)"
  flock -w 3600 8 || die "the other 'make test' does not end"
}

# Each part, whatever became of those before it, and of the tests.
finish() {
  tests/postgres.sh remove test || true
  tests/cassandra.sh remove test || true
  tests/cassandra.sh sweep || true
}

# Those of Cassandra wait for nodes much of the time: they run beside the others, and are shown behind them.
run_tests() {
  local log=$CACHE/cassandra-tests.log failed=0 test name cassandra=() others=()
  for test in tests/tests/*; do
    name=$(basename "$test" .rs)
    case $name in
      cassandra*) cassandra+=(--test "$name") ;;
      *) others+=(--test "$name") ;;
    esac
  done
  cargo test --locked --workspace --no-fail-fast "${cassandra[@]}" >"$log" 2>&1 &
  local beside=$!
  cargo test --locked --workspace --no-fail-fast --lib --bins "${others[@]}" || failed=1
  wait $beside || failed=1
  cat "$log"
  cargo test --locked --workspace --doc || failed=1
  [ $failed = 0 ] || die "tests failed: see above"
}

main() {
  need_rust; need_cc; need_postgres
  tests/postgres.sh programs 11 >/dev/null
  tests/postgres.sh programs 18 >/dev/null
  trap finish EXIT
  local example
  start_servers test

  say "formatting"
  cargo fmt --all --check
  (cd tests/fuzz && cargo fmt --check)
  build_guests
  say "lints"
  cargo clippy --locked --workspace --all-targets -- -D warnings
  say "tests"
  cargo build --locked --workspace
  cargo test --locked --workspace --no-run
  # While tests wait for servers; a moment later, because one cargo at a time looks at what is built.
  (sleep 10; exec nice tests/fuzz.sh build) &
  local fuzzers=$!
  run_tests
  wait $fuzzers
  say "fuzzing, for a short while"
  tests/fuzz.sh "${ETL_FUZZ_SECONDS:-60}"
  say "the SDK for Rust, on this machine"
  (cd sdk/rust && cargo fmt --all --check && cargo test --locked --workspace)
  for example in examples/*/Cargo.toml; do
    (cd "$(dirname "$example")" && cargo fmt --all --check && cargo test --locked)
  done
  say "docs"
  RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --workspace --document-private-items
  say "every test passed"
}

# The lock is this script's alone: what it starts may outlive it.
main 8>&-
