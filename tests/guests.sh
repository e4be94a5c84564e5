#!/usr/bin/env bash
# Builds every module that tests, benchmarks and the demo use, from source, into the cache's `guests` folder.
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

out=$CACHE/guests
mkdir -p "$out"
for guest in sdk/rust/examples/{identity,filter,fan-out,reject,types} tests/guests/customers examples/flights; do
  tests/wasm.sh rust "$guest" --out "$out/rust"
done
for guest in sdk/c/examples/{identity,filter,fan-out,reject,types}; do
  tests/wasm.sh c "$guest" --out "$out/c"
done
