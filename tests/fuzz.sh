#!/usr/bin/env bash
# Fuzzing: bytes that etl reads from outside (CSV files, recipes, what modules answer, what servers say) are made up by
# libFuzzer, which keeps those that reach new code, and compared with second opinions. Installs a C++ compiler if it is
# missing; needs no nightly Rust. tests/fuzz has the layout of cargo-fuzz, which can be used as well.
#
#   tests/fuzz.sh build               build the targets alone
#   tests/fuzz.sh SECONDS [TARGET…]   replay the corpus in tests/fuzz/corpus, then search for so long, for each target
#   tests/fuzz.sh keep [TARGET…]      add to that corpus what was found and reaches code that nothing in it does
#
# What was found stays in the user's cache folder, and is where the next search begins. Inputs that fail are kept there
# too, in fuzz/failures: such a file as the only argument of a target's program runs it alone.
. "$(dirname "$0")/lib.sh"

FUZZ=$ROOT/tests/fuzz
FOUND=$CACHE/fuzz
case "${1:-}" in
  build | keep) seconds=0 ;;
  '' | *[!0-9]*) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  *) seconds=$1 ;;
esac
action=$1; shift
targets=$(sed -n 's/^name = "\(.*\)"/\1/p' "$FUZZ/Cargo.toml" | tail -n +2)
[ $# = 0 ] || targets=$*

need_rust; need_cc
command -v c++ >/dev/null || apt_install "a C++ compiler for libFuzzer" g++
say "fuzzing: building the targets"
(cd "$FUZZ" && RUSTC_WRAPPER=$FUZZ/rustc.sh cargo build --locked --quiet --bins)

fuzz() {
  local target=$1 corpus=$FUZZ/corpus/$1 log=$FOUND/$1.log; shift
  local program=$CARGO_TARGET_DIR/debug/$target options=(-timeout=10 -rss_limit_mb=2048 -max_len=2000 "-artifact_prefix=$FOUND/failures/$target-")
  [ ! -f "$FUZZ/$target.dict" ] || options+=("-dict=$FUZZ/$target.dict")
  "$program" "${options[@]}" "$@" >"$log" 2>&1 ||
    { grep -A6 panicked "$log" | head -20 >&2; tail -5 "$log" >&2; die "$target failed (whole log: $log)"; }
}

# Of what was found, only what reaches code that nothing else does: thousands of inputs take long to replay.
tidy() {
  local target=$1 found=$FOUND/$1
  [ "$(find "$found" -type f | wc -l)" -gt 2000 ] || return 0
  rm -rf "$found.part"
  mkdir "$found.part"
  fuzz "$target" -merge=1 "$found.part" "$found"
  rm -rf "$found"
  mv "$found.part" "$found"
}

one() {
  local target=$1 corpus=$FUZZ/corpus/$1 found=$FOUND/$1
  mkdir -p "$found" "$corpus"
  if [ "$action" = keep ]; then
    fuzz "$target" -set_cover_merge=1 -use_counters=0 -max_len=300 "$corpus" "$found"
  else
    fuzz "$target" -runs=0 "$corpus"
    if [ "$seconds" != 0 ]; then
      tidy "$target"
      fuzz "$target" "-max_total_time=$seconds" "-fork=$processes" "$found" "$corpus"
    fi
  fi
  say "fuzzing: $target holds, $(find "$corpus" -type f | wc -l) inputs in the corpus, $(find "$found" -type f | wc -l) found"
}

[ "$action" != build ] || exit 0
mkdir -p "$FOUND/failures"
# A minute for each: as many targets at once as there are processors. More is worth all processors for one target.
if [ "$seconds" -gt 60 ]; then at_once=1 processes=$(nproc); else at_once=$(nproc) processes=0; fi
failed=0 running=0
for target in $targets; do
  if [ "$running" -ge "$at_once" ]; then wait -n || failed=1; running=$((running - 1)); fi
  (one "$target") &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do wait -n || failed=1; running=$((running - 1)); done
exit $failed
