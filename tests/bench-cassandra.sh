#!/usr/bin/env bash
# Measures loading from Cassandra: one Cassandra node, one PostgreSQL and etl share this machine's cores, and what each
# of them costs is taken in the same run. Says figures and medians; judges nothing. The servers stay warm: the first two
# runs do not count.
#
#   tests/bench-cassandra.sh [ROWS] [RUNS] [STREAMS]     default: 1500000 3 16
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/bench-lib.sh"
cd "$ROOT"

rows=${1:-1500000}; runs=${2:-3}; streams=${3:-16}
# token(7): the partition of `skewed` that holds a third of its rows.
LARGE_TOKEN=1634052884888577606
need_rust; need_cc; need_postgres
say "building (release)"
cargo build --release --locked -p etl -p etl-tests
etl=$CARGO_TARGET_DIR/release/etl
tests/wasm.sh rust tests/guests/transactions --out "$CACHE/guests/rust"
trap 'tests/postgres.sh stop bench || true; tests/cassandra.sh stop bench || true' EXIT
tests/postgres.sh start bench
eval "$(tests/postgres.sh env bench)"
tests/cassandra.sh start bench --heap 1g
eval "$(tests/cassandra.sh env bench)"
work=$CACHE/bench; mkdir -p "$work"
postmaster=$(head -n 1 "$(head -n 1 "$CACHE/postgres-bench")/data/postmaster.pid")

source_table() { # even or skewed: written once for each node's data
  local mark=$ETL_TEST_CASSANDRA_FOLDER/written-$1-$rows
  [ ! -e "$mark" ] || return 0
  say "writing $rows rows into bench.$1"
  rm -f "$ETL_TEST_CASSANDRA_FOLDER/written-$1"-*
  "$CARGO_TARGET_DIR/release/etl-generate-cassandra" "$ETL_TEST_CASSANDRA" bench "$1" "$rows"
  : >"$mark"
}

recipe() { # NAME FROM [MORE]
  cat >"$work/$1.toml" <<TOML
name = "$1"
[source.cassandra]
hosts = ["$ETL_TEST_CASSANDRA"]
[[tables]]
from = "bench.$2"
into = "public.transactions"
${3:-}
transforms = [{ module = "$CACHE/guests/rust/transactions.wasm" }]
TOML
}

# CPU seconds of processes so far, with those of their children that have ended.
cpu_seconds() { # PID…
  local pid ticks=0 line fields
  for pid; do
    line=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
    read -ra fields <<<"${line##*) }"
    ticks=$((ticks + fields[11] + fields[12] + fields[13] + fields[14]))
  done
  awk "BEGIN { print $ticks / $(getconf CLK_TCK) }"
}
source_cpu() { cpu_seconds $ETL_TEST_CASSANDRA_PIDS; }
target_cpu() { cpu_seconds "$postmaster" $(pgrep -P "$postmaster"); }

# Loads a table anew, all of its ROWS; leaves `wall`, `cpu` (of the client), `of_source` and `of_target` in seconds.
load() { # NAME STREAMS ROWS
  sql -c 'SET client_min_messages = error; DROP TABLE IF EXISTS public.transactions; DROP SCHEMA IF EXISTS etl CASCADE'
  "$etl" ddl "$work/$1.toml" --to "$ETL_TEST_POSTGRES" | sql
  sql -c CHECKPOINT
  local source target
  source=$(source_cpu) target=$(target_cpu)
  timed "$etl" run "$work/$1.toml" --to "$ETL_TEST_POSTGRES" --streams "$2" --quiet --report "$work/report.json"
  of_source=$(awk "BEGIN { print $(source_cpu) - $source }")
  of_target=$(awk "BEGIN { print $(target_cpu) - $target }")
  [ "$(sql -At -c 'SELECT count(*) FROM public.transactions')" = "$3" ] || die "$1: not $3 rows are loaded"
}

bench_even() {
  local run cores possible rate
  cores=$(nproc)
  say "$rows rows, $streams streams, $cores cores; CPU in seconds per million rows, possible = cores / CPU of a row"
  echo "| run | rows/s | source CPU | target CPU | client CPU | possible, rows/s | 0.85 of it | reached | resident, MiB | first row, ms |"
  echo "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
  : >"$work/shares"; : >"$work/cpus"; : >"$work/walls"
  for run in warm-up warm-up $(seq 1 "$runs"); do
    load even "$streams" "$rows"
    read -r possible rate <<<"$(awk "BEGIN { print $cores * $rows / ($of_source + $of_target + $cpu), $rows / $wall }")"
    read -r first peak <<<"$(report first_copy_ms peak_memory_bytes)"
    awk "BEGIN { m = $rows / 1e6; printf \"| $run | %d | %.2f | %.2f | %.2f | %d | %d | %.2f | %.0f | %d |\\n\", $rate, $of_source / m,
      $of_target / m, $cpu / m, $possible, 0.85 * $possible, $rate / $possible, $peak / 1048576, $first }"
    [ "$run" != warm-up ] || continue
    awk "BEGIN { print $rate / $possible }" >>"$work/shares"
    awk "BEGIN { print $cpu / $rows * 1e6 }" >>"$work/cpus"
  done
  echo "median: reached $(median <"$work/shares") of what the cores could, client CPU $(median <"$work/cpus") s per million rows"
}

# One partition with a third of the rows among small ones: against the even table, and against that partition alone.
bench_skew() {
  local run even alone
  say "$rows rows, a third of them in one partition, $streams streams, against the even table and that partition on one stream"
  : >"$work/ratios"
  for run in warm-up $(seq 1 "$runs"); do
    load even "$streams" "$rows"; even=$wall
    load alone 1 $(((rows + 2) / 3)); alone=$wall
    load skewed "$streams" "$rows"
    awk "BEGIN { most = $even > $alone ? $even : $alone; printf \"$run: even %.2f s, the partition alone %.2f s, skewed %.2f s, ratio %.3f\\n\",
      $even, $alone, $wall, $wall / most }"
    [ "$run" = warm-up ] || awk "BEGIN { print $wall / ($even > $alone ? $even : $alone) }" >>"$work/ratios"
  done
  echo "median: ratio $(median <"$work/ratios")"
}

source_table even
source_table skewed
recipe even even
recipe skewed skewed
recipe alone skewed "token_range = [$((LARGE_TOKEN - 1)), $LARGE_TOKEN]"
bench_even
bench_skew
