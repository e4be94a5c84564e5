#!/usr/bin/env bash
# Measures what docs/performance.md quotes: `etl run` against a bare COPY of the already transformed rows, in turn,
# client and server on this machine. Says each pair and the medians; judges nothing.
#
#   tests/bench.sh [ROWS] [PAIRS]      default 2000000 5
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

rows=${1:-2000000}; pairs=${2:-5}; streams=2
need_rust; need_cc; need_postgres
say "building (release)"
cargo build --release --locked -p etl -p etl-tests
etl=$CARGO_TARGET_DIR/release/etl; bare=$CARGO_TARGET_DIR/release/etl-bare-copy
tests/wasm.sh rust tests/guests/customers --out "$CACHE/guests/rust"
tests/postgres.sh start bench
eval "$(tests/postgres.sh env bench)"
trap 'tests/postgres.sh stop bench' EXIT

work=$CACHE/bench; mkdir -p "$work"
data=$work/customers-$rows.csv
[ -f "$data" ] || { "$CARGO_TARGET_DIR/release/etl-generate" "$rows" >"$data.part" && mv "$data.part" "$data"; }
sql() { psql -X -q -v ON_ERROR_STOP=1 "$ETL_TEST_POSTGRES" "$@"; }
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

# The transformed rows, as two files without a header.
transformed=$work/transformed-$rows
if [ ! -f "$transformed-2.csv" ]; then
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
# Runs a command; leaves wall and CPU seconds in `wall` and `cpu`.
timed() {
  local TIMEFORMAT='%R %U %S' line
  line=$({ time "$@" >/dev/null 2>"$work/stderr"; } 2>&1) || { cat "$work/stderr" >&2; die "failed: $*"; }
  read -r wall user sys <<<"$line"
  cpu=$(awk "BEGIN { print $user + $sys }")
}
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

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
