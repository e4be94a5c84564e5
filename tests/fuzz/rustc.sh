#!/usr/bin/env bash
# For RUSTC_WRAPPER: compiles what is fuzzed with coverage for libFuzzer, and all other crates as they are. cargo-fuzz
# would do so with every dependency, a compiler of WebAssembly among them. These flags need no nightly compiler.
set -euo pipefail
case " $* " in
  *" --crate-name etl "* | *" --crate-name csv_core "* | *" --crate-name toml "* | *" --crate-name toml_parser "* | *"/fuzz_targets/"*)
    exec "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
      -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
      -Cllvm-args=-sanitizer-coverage-trace-compares ;;
  *) exec "$@" ;;
esac
