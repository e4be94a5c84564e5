#!/bin/sh
# Builds modules from source.
#
#   tests/wasm.sh rust DIR [--out DIR]    a crate (or workspace: every module in it) for wasm32-unknown-unknown
#   tests/wasm.sh c PATH [--out DIR]      a C file, or every one in a folder and the folders in it
#   tests/wasm.sh go DIR [--out DIR]      a Go module, for WASI preview 1
#   tests/wasm.sh setup                   only what Rust and C need
#
# Each module is written to the folder after --out (default: where it was built) under its crate's or file's name, e.g.
# fan-out.wasm, and its path is printed. What is missing is installed, and said: rustup's target if rustup can have it, else
# Debian's source of Rust's standard library; Debian's clang and lld; Debian's Go, if that is new enough. Same source, same
# module: paths are not part of it.
#
# ETL_WASM_CC names a clang of your own. ETL_WASM_RUST=debian takes the second way even where rustup's would do.
set -eu

repo=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/etl
# One target folder for all guests of a checkout, so that the standard library is built once. Not one for all checkouts: cargo tells
# sources apart by their times and their path within the workspace, and would take one checkout's module for the other's.
target=$cache/wasm-target/$(printf %s "$repo" | cksum | cut -d' ' -f1)
triple=wasm32-unknown-unknown

say() { printf '%s\n' "wasm.sh: $*" >&2; }
fail() { say "$*"; exit 1; }
usage() { sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        fail "needs root for: $*"
    fi
}

# apt PURPOSE PACKAGE...
apt() {
    purpose=$1
    shift
    command -v apt-get >/dev/null || fail "$purpose is missing, and there is no apt-get to install $*"
    say "installs $* with apt-get, for $purpose"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >&2 || {
        as_root apt-get update >&2
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >&2
    }
}

# --- Rust ------------------------------------------------------------------------------------------------------------------

# Whether the Rust at hand has the target's standard library. Not every Rust comes from rustup, so look at the files.
has_target() {
    sysroot=$(rustc --print sysroot 2>/dev/null) && [ -d "$sysroot/lib/rustlib/$triple/lib" ]
}

# Asks rustup for the target; an answer of no is remembered for a day, so that a machine without a way out does not wait each time.
add_target() {
    command -v rustup >/dev/null || return 1
    refused=$cache/no-rustup-target
    if [ -n "$(find "$refused" -mtime -1 2>/dev/null)" ]; then return 1; fi
    say "installs Rust's $triple with rustup"
    if timeout 120 rustup target add "$triple" >&2 && has_target; then
        rm -f "$refused"
        return 0
    fi
    say "rustup cannot; not asked again for a day (forget that: rm $refused)"
    mkdir -p "$cache" && : >"$refused"
    return 1
}

# Debian has no wasm32 standard library of its own: its source, and a compiler of the same version to build it with.
debian_rust() {
    if ! [ -x /usr/bin/rustc ] || ! [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ]; then
        apt "the standard library of $triple" rustc-web rust-web-src
    fi
    linker=$(command -v rust-lld || true)
    for rustc in "rustup run stable rustc" rustc; do
        [ -n "$linker" ] && break
        sysroot=$($rustc --print sysroot 2>/dev/null) || continue
        linker=$(find "$sysroot/lib/rustlib" -name rust-lld -type f 2>/dev/null | head -n 1)
    done
    [ -n "$linker" ] || linker=$(command -v wasm-ld || find /usr/bin -name 'wasm-ld-*' | sort -V | tail -n 1)
    if [ -z "$linker" ]; then
        apt "linking WebAssembly" lld
        linker=$(command -v wasm-ld || find /usr/bin -name 'wasm-ld-*' | sort -V | tail -n 1)
    fi
    export RUSTC=/usr/bin/rustc CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker"
    # The standard library is built with the module; a stable compiler does that only if told so.
    export RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_BUILD_STD=std,panic_abort
}

setup_rust() {
    command -v cargo >/dev/null || fail "needs cargo: see https://rustup.rs"
    if [ "${ETL_WASM_RUST:-}" != debian ] && { has_target || add_target; }; then return; fi
    debian_rust
}

build_rust() {
    [ -f "$source/Cargo.toml" ] || fail "$source has no Cargo.toml"
    setup_rust
    export CARGO_TARGET_DIR="$target"
    home=${CARGO_HOME:-$HOME/.cargo}
    # One argument each, so that paths may have spaces.
    separator=$(printf '\037')
    remap="--remap-path-prefix=$home=/cargo${separator}--remap-path-prefix=$repo=/etl"
    std=$("${RUSTC:-rustc}" --print sysroot)/lib/rustlib/src/rust
    export CARGO_ENCODED_RUSTFLAGS="$remap${separator}--remap-path-prefix=$std=/rust"
    built=$(mktemp)
    trap 'rm -f "$built"' EXIT
    all=
    if grep -q '^\[workspace\]' "$source/Cargo.toml"; then all=--workspace; fi
    (cd "$source" && cargo build $all --lib --release --target "$triple" --message-format json-render-diagnostics) >"$built" ||
        fail "$source does not build"
    # A line for each artifact; a module's has a file that ends in .wasm.
    grep -q '\.wasm"' "$built" || fail "$source makes no module: its Cargo.toml needs [lib] crate-type = [\"cdylib\"]"
    grep '"reason":"compiler-artifact"' "$built" | grep -o '"[^"]*\.wasm"' | tr -d '"' | sort -u |
        while read -r module; do
            # cargo turns the hyphens of a crate's name into underscores
            deliver "$module" "$(basename "$module" | tr _ -)"
        done
}

# --- C ---------------------------------------------------------------------------------------------------------------------

# Whether clang$1 is there with the linker beside it, and is 14 or newer.
has_clang() {
    command -v "clang$1" >/dev/null && command -v "wasm-ld$1" >/dev/null || return 1
    major=$("clang$1" -dumpversion | cut -d. -f1)
    [ "$major" -ge 14 ] 2>/dev/null
}

find_clang() {
    for version in '' -30 -29 -28 -27 -26 -25 -24 -23 -22 -21 -20 -19 -18 -17 -16 -15 -14; do
        if has_clang "$version"; then
            cc=clang$version
            return 0
        fi
    done
    return 1
}

setup_c() {
    cc=${ETL_WASM_CC:-}
    if [ -n "$cc" ] || find_clang; then return; fi
    # clang needs the linker of its own version; Debian's package `clang` is the release's version, not always the newest.
    newest=$(apt-cache search --names-only '^clang-[0-9]+$' 2>/dev/null | sed 's/^clang-\([0-9]*\).*/\1/' | sort -n | tail -n 1)
    if [ -n "$newest" ]; then apt "C for WebAssembly" "clang-$newest" "lld-$newest"; else apt "C for WebAssembly" clang lld; fi
    find_clang || fail "found no clang 14 or newer with its wasm-ld, though it was installed"
}

build_c() {
    [ -e "$source" ] || fail "$source is not there"
    setup_c
    mkdir -p "$target"
    [ -n "$(find "$source" -maxdepth 2 -name '*.c')" ] || fail "$source has no C file"
    find "$source" -maxdepth 2 -name '*.c' | sort | while read -r file; do
        name=$(basename "$file" .c)
        "$cc" --target=wasm32 -std=c11 -O2 -Wall -Wextra -nostdlib -ffile-prefix-map="$repo=/etl" \
            -I "$repo/sdk/c" -Wl,--no-entry,--stack-first,--strip-debug -o "$target/$name.wasm" "$file"
        deliver "$target/$name.wasm" "$name.wasm"
    done
}

# --- Go ---------------------------------------------------------------------------------------------------------------------

# Exports from Go (go:wasmexport, -buildmode=c-shared for wasip1) came with 1.24.
go_is_new_enough() {
    command -v "$1" >/dev/null || return 1
    found=$(GOTOOLCHAIN=local "$1" env GOVERSION | sed 's/^go//')
    [ "$(printf '%s\n' 1.24 "$found" | sort -V | head -n 1)" = 1.24 ]
}

# Leaves a Go that is new enough in $go: the one at hand, else a toolchain that any older Go can get as a module.
setup_go() {
    for go in go "$cache/go/bin/go"; do
        if go_is_new_enough "$go"; then return; fi
    done
    old=go
    if ! command -v go >/dev/null; then apt "Go" golang-go; fi
    command -v go >/dev/null || old=/usr/bin/go
    toolchain="golang.org/toolchain@v0.0.1-go1.24.0.$("$old" env GOHOSTOS)-$("$old" env GOHOSTARCH)"
    say "installs Go 1.24 into $cache/go, as the module $toolchain"
    modules=$cache/go-modules
    (cd / && GOFLAGS=-modcacherw GOTOOLCHAIN=local GOPATH="$modules" timeout 600 "$old" mod download "$toolchain" >&2) ||
        fail "cannot get Go 1.24 or newer: install it from https://go.dev/dl"
    rm -rf "$cache/go" "$cache/go.new"
    mv "$modules/pkg/mod/$toolchain" "$cache/go.new"
    # A module's files are not executable.
    chmod -R u+w "$cache/go.new" && chmod +x "$cache"/go.new/bin/* "$cache"/go.new/pkg/tool/*/*
    mv "$cache/go.new" "$cache/go"
    rm -rf "$modules"
    go=$cache/go/bin/go
    go_is_new_enough "$go" || fail "installed Go 1.24, and it does not run"
}

build_go() {
    [ -f "$source/go.mod" ] || fail "$source has no go.mod"
    setup_go
    mkdir -p "$target"
    name=$(sed -n 's/^module \(.*\/\)*//p' "$source/go.mod")
    # Nothing is fetched: not a toolchain of another version, and a test guest has no dependencies.
    (cd "$source" && GOTOOLCHAIN=local GOPROXY=off GOOS=wasip1 GOARCH=wasm \
        "$go" build -buildmode=c-shared -trimpath -buildvcs=false -ldflags='-s -w' -o "$target/$name.wasm" .) ||
        fail "$source does not build"
    deliver "$target/$name.wasm" "$name.wasm"
}

# --- all -------------------------------------------------------------------------------------------------------------------

# deliver FILE NAME: in one step, so that nobody sees half a module.
deliver() {
    if [ -n "$out" ]; then
        mkdir -p "$out"
        cp "$1" "$out/$2.new"
        mv "$out/$2.new" "$out/$2"
        printf '%s\n' "$out/$2"
    else
        printf '%s\n' "$1"
    fi
}

[ $# -ge 1 ] || usage
language=$1
shift
if [ "$language" = setup ]; then
    setup_rust
    setup_c
    exit
fi
[ $# -ge 1 ] || usage
source=$(CDPATH='' cd -- "$(dirname -- "$1")" && pwd)/$(basename -- "$1")
out=
if [ $# -eq 3 ] && [ "$2" = --out ]; then out=$3; elif [ $# -ne 1 ]; then usage; fi
case $language in
rust) build_rust ;;
c) build_c ;;
go) build_go ;;
*) usage ;;
esac
