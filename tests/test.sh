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

# What runs beside the rest, each with all that it starts in a process group of its own: an interrupt ends them too.
beside=()
# Without a terminal: a process group that reads one from behind is stopped.
in_background() { set -m; "$@" </dev/null & beside+=($!); set +m; }

# Each part, whatever became of those before it, and of the tests.
finish() {
  local pid server
  for pid in "${beside[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
  for server in test test-11 test-18; do tests/postgres.sh remove "$server" || true; done
  tests/cassandra.sh remove test || true
  tests/cassandra.sh sweep || true
}

# In three lanes side by side: programs that start nodes, or wait for what fails, leave much of the processor to the
# others. What they say is shown behind these.
run_tests() {
  local failed=0 test name lane lanes=() nodes=() waits=() others=()
  for test in tests/tests/*; do
    name=$(basename "$test" .rs)
    case $name in
      cassandra*) nodes+=(--test "$name") ;;
      nodes | retries | session) waits+=(--test "$name") ;;
      *) others+=(--test "$name") ;;
    esac
  done
  in_background test_lane "${nodes[@]}" >"$CACHE/tests-nodes.log" 2>&1; lanes+=($!)
  in_background test_lane "${waits[@]}" >"$CACHE/tests-waits.log" 2>&1; lanes+=($!)
  test_lane --lib --bins "${others[@]}" || failed=1
  for lane in "${lanes[@]}"; do wait "$lane" || failed=1; done
  cat "$CACHE/tests-nodes.log" "$CACHE/tests-waits.log"
  test_lane --doc || failed=1
  [ $failed = 0 ] || die "tests failed: see above"
}

test_lane() { cargo test --locked --workspace --no-fail-fast "$@"; }

# While tests wait for servers; a moment later, because one cargo at a time looks at what is built.
build_fuzzers() { sleep 10; nice tests/fuzz.sh build; }

main() {
  need_rust; need_cc; need_postgres
  trap finish EXIT
  local example
  tests/postgres.sh start test-11 11
  tests/postgres.sh start test-18 18
  start_servers test

  # Those of other systems too: their licences are looked at.
  say "dependencies: fetching those that are missing"
  cargo fetch --locked --quiet
  cargo fetch --locked --quiet --manifest-path tests/fuzz/Cargo.toml
  say "formatting"
  cargo fmt --all --check
  (cd tests/fuzz && cargo fmt --check)
  build_guests
  say "lints"
  cargo clippy --locked --workspace --all-targets -- -D warnings
  say "tests"
  cargo build --locked --workspace
  cargo test --locked --workspace --no-run
  in_background build_fuzzers
  local fuzzers=$!
  run_tests
  wait $fuzzers
  beside=()
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
