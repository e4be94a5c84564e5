# What the benchmarks share. Sourced behind lib.sh, never run. Needs `etl`, `work` and ETL_TEST_POSTGRES.

sql() { psql -X -q -v ON_ERROR_STOP=1 "$ETL_TEST_POSTGRES" "$@"; }

# Runs a command; leaves wall and CPU seconds in `wall` and `cpu`.
timed() {
  local TIMEFORMAT='%R %U %S' line
  line=$({ time "$@" >/dev/null 2>"$work/stderr"; } 2>&1) || { cat "$work/stderr" >&2; die "failed: $*"; }
  read -r wall user sys <<<"$line"
  cpu=$(awk "BEGIN { print $user + $sys }")
}

median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

report() { # KEY…: values of the last report
  python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(*(r[k] for k in sys.argv[2:]))' "$work/report.json" "$@"
}
