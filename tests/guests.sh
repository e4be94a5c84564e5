#!/usr/bin/env bash
# Builds every module that tests, benchmarks and the demo use, from source, into the cache's `guests` folder.
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

out=$CACHE/guests
mkdir -p "$out"
for guest in sdk/rust/examples/{identity,filter,fan-out,reject,types} tests/guests/customers examples/{flights,cassandra-to-yugabyte}; do
  tests/wasm.sh rust "$guest" --out "$out/rust"
done
tests/wasm.sh c sdk/c/examples --out "$out/c"
tests/wasm.sh c tests/guests/c --out "$out/c"
tests/wasm.sh go tests/guests/go --out "$out/go"
