#!/usr/bin/env bash
# Measures what docs/performance.md quotes, client and server on this machine. Says figures and medians; judges nothing.
#
#   tests/bench.sh [PART] [ROWS] [PAIRS]     default: all 2000000 5; all is every part but cassandra
#   PART: copy     `etl run` against a bare COPY of the already transformed rows, in turn
#         memory   the most memory that was resident, by streams and rows; time until the first byte of a COPY
#         refused  a table that refuses one row in 10,000 against one that refuses none, in turn
#         chunks   chunks of 1,000 rows against chunks of 20,000, in turn: what a chunk costs the client
#         network  through a round trip of 20 ms against one of 0 ms, in turn; one round trip a chunk
#         cassandra  from Cassandra, ROWS 1500000 by default: see tests/bench-cassandra.sh
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/bench-lib.sh"
cd "$ROOT"

part=${1:-all}
if [ "$part" = cassandra ]; then shift; exec tests/bench-cassandra.sh "$@"; fi
rows=${2:-2000000}; pairs=${3:-5}; streams=2
need_rust; need_cc; need_postgres
say "building (release)"
cargo build --release --locked -p etl -p etl-tests
etl=$CARGO_TARGET_DIR/release/etl; bare=$CARGO_TARGET_DIR/release/etl-bare-copy
tests/wasm.sh rust tests/guests/customers --out "$CACHE/guests/rust"
trap 'tests/postgres.sh stop bench || true' EXIT
tests/postgres.sh start bench
eval "$(tests/postgres.sh env bench)"

work=$CACHE/bench; mkdir -p "$work"
data=$work/customers-$rows.csv
[ -f "$data" ] || { "$CARGO_TARGET_DIR/release/etl-generate" "$rows" >"$data.part" && mv "$data.part" "$data"; }
recipe=$work/customers.toml
cat >"$recipe" <<TOML
name = "bench"
[run]
streams = $streams
[[tables]]
from = "$data"
into = "public.customers"
allow_unlogged = true
types = { id = "uuid", account = "int64", age = "int32", amount_cents = "int64" }
transforms = [{ module = "$CACHE/guests/rust/customers.wasm" }]
TOML

wants() { [ "$part" = all ] || [ "$part" = "$1" ]; }

# The transformed rows, as two files without a header.
transformed=$work/transformed-$rows
if wants copy && [ ! -f "$transformed-2.csv" ]; then
  rm -rf "$work/files"
  "$etl" run "$recipe" --to "$work/files" --quiet
  for half in 1 2; do : >"$transformed-$half.part"; done
  half=1
  head -qn 1 "$work"/files/*/*1.csv | head -n 1 >"$transformed.columns"
  for file in "$work"/files/*/*.csv; do tail -n +2 "$file" >>"$transformed-$half.part"; half=$((3 - half)); done
  for half in 1 2; do mv "$transformed-$half.part" "$transformed-$half.csv"; done
  rm -rf "$work/files"
fi

table() { # KIND: unlogged or keyed
  local unlogged='' key=''
  if [ "$1" = unlogged ]; then unlogged=UNLOGGED; else key=', PRIMARY KEY (id)'; fi
  sql -c "SET client_min_messages = error; DROP TABLE IF EXISTS public.customers; DROP SCHEMA IF EXISTS etl CASCADE;
    CREATE $unlogged TABLE public.customers (id uuid NOT NULL, account bigint, name text, email text, email_domain text,
      age int, amount numeric, created_at timestamptz, tags json, active boolean, note text$key)" -c CHECKPOINT
}
bench_copy() {
  local kind pair line etl_wall etl_cpu
  for kind in unlogged keyed; do
    say "$rows rows, $streams streams, $kind table: etl against bare COPY, $pairs pairs"
    : >"$work/ratios"; : >"$work/cpus"
    for pair in $(seq 0 "$pairs"); do
      table $kind; timed "$etl" run "$recipe" --to "$ETL_TEST_POSTGRES" --quiet --report "$work/report.json"
      etl_wall=$wall; etl_cpu=$cpu
      table $kind; timed "$bare" "$ETL_TEST_POSTGRES" "public.customers ($(cat "$transformed.columns"))" "$transformed-1.csv" "$transformed-2.csv"
      line=$(awk "BEGIN { printf \"etl %.0f rows/s (%.2f s, client CPU %.2f s per million rows), bare %.0f rows/s (%.2f s), ratio %.3f\",
        $rows / $etl_wall, $etl_wall, $etl_cpu / $rows * 1e6, $rows / $wall, $wall, $wall / $etl_wall }")
      if [ "$pair" = 0 ]; then echo "warm-up: $line"; continue; fi
      echo "pair $pair: $line"
      awk "BEGIN { print $wall / $etl_wall }" >>"$work/ratios"
      awk "BEGIN { print $etl_cpu / $rows * 1e6 }" >>"$work/cpus"
    done
    echo "median: ratio $(median <"$work/ratios"), client CPU $(median <"$work/cpus") s per million rows"
  done
}

bench_refused() {
  local pair clean
  say "$rows rows, $streams streams, one refused row in 10,000 against none, $pairs pairs"
  : >"$work/ratios"
  for pair in $(seq 0 "$pairs"); do
    table keyed; timed "$etl" run "$recipe" --to "$ETL_TEST_POSTGRES" --quiet
    clean=$wall
    table keyed; sql -c "ALTER TABLE public.customers ADD CHECK (account % 10000 <> 5000)"
    # Exit code 8: done, with rejects.
    timed bash -c '"$@" || [ $? = 8 ]' - "$etl" run "$recipe" --max-rejects-percent 1 --to "$ETL_TEST_POSTGRES" --quiet
    echo "pair $pair: $(awk "BEGIN { printf \"%.0f rows/s without, %.0f with\", $rows / $clean, $rows / $wall }"), $(sql -Atc 'SELECT count(*) FROM etl.reject') rejects"
    [ "$pair" = 0 ] || awk "BEGIN { print $clean / $wall }" >>"$work/ratios"
  done
  echo "median: ratio $(median <"$work/ratios")"
}

bench_chunks() {
  local pair size cpus
  say "$rows rows, $streams streams, chunks of 1,000 rows against 20,000, $pairs pairs"
  : >"$work/cpus"
  for pair in $(seq 0 "$pairs"); do
    cpus=()
    for size in 1000 20000; do
      table unlogged
      ETL_RUN__CHUNK_ROWS=$size timed "$etl" run "$recipe" --to "$ETL_TEST_POSTGRES" --quiet
      cpus+=("$cpu")
    done
    echo "pair $pair: client CPU ${cpus[0]} s in chunks of 1,000 rows, ${cpus[1]} s in chunks of 20,000"
    [ "$pair" = 0 ] || awk "BEGIN { print (${cpus[0]} - ${cpus[1]}) / ($rows / 1000 - $rows / 20000) * 1e6, ${cpus[1]} }" >>"$work/cpus"
  done
  awk -v rows="$rows" '{ chunk += $1; cpu += $2; n++ } END {
    printf "mean: %.0f microseconds of client CPU a chunk, %.2f %% of a load in chunks of 20,000 rows\n", chunk / n, chunk * rows / 20000 / 1e6 / cpu * 100 }' "$work/cpus"
}

bench_memory() {
  local count n small=$work/customers-memory.csv
  say "memory, and time until the first byte of a COPY"
  for count in 1000000 10000000; do
    [ -f "$work/customers-$count.csv" ] || "$CARGO_TARGET_DIR/release/etl-generate" $count >"$work/customers-$count.csv"
    sed "s#^from = .*#from = \"$work/customers-$count.csv\"#" "$recipe" >"$work/memory.toml"
    for n in 2 32; do
      table unlogged
      "$etl" run "$work/memory.toml" --streams $n --to "$ETL_TEST_POSTGRES" --quiet --report "$work/report.json"
      echo "$count rows, $n streams: $(report peak_memory_bytes | awk '{ printf "%.1f MiB", $1 / 1048576 }') at most"
    done
  done
  "$CARGO_TARGET_DIR/release/etl-generate" 57000 >"$small"
  sed "s#^from = .*#from = \"$small\"#" "$recipe" >"$work/memory.toml"
  for n in 1 2 3 4 5; do
    table unlogged
    "$etl" run "$work/memory.toml" --to "$ETL_TEST_POSTGRES" --quiet --report "$work/report.json"
    echo "$(stat -c %s "$small") bytes, 2 streams: first byte of a COPY after $(report first_copy_ms) ms"
  done
}

# Starts a slow network before the server, with a one-way delay in ms; leaves its URL in `url`, its process in `slow`.
slow_network() {
  coproc SLOW { exec "$CARGO_TARGET_DIR/release/etl-slow-network" "127.0.0.1:$PGPORT" "$1"; }
  slow=$SLOW_PID
  local port; read -r port <&"${SLOW[0]}"
  url="postgres://etl@127.0.0.1:$port/postgres"
}

bench_network() {
  local pair n delay rates
  for n in 8 1; do
    say "$rows rows, $n streams, a round trip of 20 ms against 0 ms, $pairs pairs"
    : >"$work/ratios"
    for pair in $(seq 1 "$pairs"); do
      rates=()
      for delay in 10 0; do
        slow_network $delay; table unlogged
        timed "$etl" run "$recipe" --streams $n --to "$url" --quiet
        kill "$slow"; wait "$slow" 2>/dev/null || true
        rates+=("$wall")
      done
      awk "BEGIN { printf \"pair $pair: %.0f rows/s at 20 ms, %.0f at 0 ms, ratio %.3f\\n\", $rows / ${rates[0]}, $rows / ${rates[1]}, ${rates[1]} / ${rates[0]} }"
      awk "BEGIN { print ${rates[1]} / ${rates[0]} }" >>"$work/ratios"
    done
    echo "median: ratio $(median <"$work/ratios")"
  done
  say "chunks of 1,000 rows, one stream, a round trip of 20 ms"
  local small=$work/customers-chunks.csv
  "$CARGO_TARGET_DIR/release/etl-generate" 100000 >"$small"
  sed "s#^from = .*#from = \"$small\"#" "$recipe" >"$work/chunks.toml"
  for pair in $(seq 1 3); do
    for delay in 10 0; do
      slow_network $delay; table unlogged
      ETL_RUN__CHUNK_ROWS=1000 ETL_RUN__SPLIT_BYTES='1 GiB' "$etl" run "$work/chunks.toml" --streams 1 --to "$url" --quiet --report "$work/report.json"
      kill "$slow"; wait "$slow" 2>/dev/null || true
      read -r seconds first chunks <<<"$(report seconds first_copy_ms chunks)"
      awk "BEGIN { printf \"%d ms: %.1f ms a chunk from the first byte on, %d chunks\\n\", 2 * $delay, ($seconds * 1000 - $first) / $chunks, $chunks }"
    done
  done
}

if wants copy; then bench_copy; fi
if wants refused; then bench_refused; fi
if wants chunks; then bench_chunks; fi
if wants memory; then bench_memory; fi
if wants network; then bench_network; fi
