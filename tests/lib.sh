# What the scripts share. Sourced, never run. Set-up steps say what they install and install only what is missing.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${ETL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/etl}
# Build caches live outside the checkout: a fresh clone does not compile the dependencies again.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
mkdir -p "$CACHE"

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "'$*' needs root and there is no sudo: run it yourself, then try again"; fi
}

# Installs Debian packages; the first argument says what for.
apt_install() {
  local why=$1; shift
  command -v apt-get >/dev/null || die "$why: install the equivalent of the Debian packages '$*', then try again"
  say "$why: installing Debian packages $*"
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >"$CACHE/apt.log" 2>&1; then
    as_root apt-get update >>"$CACHE/apt.log" 2>&1 || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>"$CACHE/apt.log" 2>&1 ||
      { tail -20 "$CACHE/apt.log" >&2; die "apt-get install $* failed (whole log: $CACHE/apt.log)"; }
  fi
}

# The folder of PostgreSQL's server programs, newest first.
postgres_bin() {
  local found
  found=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -n -r | while read -r dir; do
    [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && { echo "$dir"; break; }; done)
  if [ -z "$found" ] && command -v initdb >/dev/null && command -v postgres >/dev/null; then
    found=$(dirname "$(readlink -f "$(command -v initdb)")")
  fi
  [ -n "$found" ] && echo "$found"
}

need_postgres() {
  postgres_bin >/dev/null && command -v psql >/dev/null && return
  # Debian would make and start a cluster of its own on the default port: not wanted here.
  as_root mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  apt_install "PostgreSQL server and psql" postgresql postgresql-client
}

# A PostgreSQL and a Cassandra, and in the environment how tests reach them. A Cassandra that compiles little takes 40 %
# less of the processor for the few minutes of its life; what is left of one that was started otherwise is in the way.
start_servers() {
  local name=$1 settings
  tests/postgres.sh start "$name"
  settings=$(tests/postgres.sh env "$name"); eval "$settings"
  tests/cassandra.sh remove "$name"
  tests/cassandra.sh start "$name" --quick
  settings=$(tests/cassandra.sh env "$name"); eval "$settings"
}

build_guests() {
  say "modules, built from source"
  tests/guests.sh
  export ETL_GUESTS=$CACHE/guests
}

need_rust() {
  command -v cargo >/dev/null || die "no cargo: install Rust (rustup.rs), then try again"
  forget_other_checkouts
}

# Cargo knows what is old by the times of files and their paths within the workspace: it would take what another checkout
# has built for this one's. Dependencies are the same for all.
forget_other_checkouts() {
  local built_for=$CARGO_TARGET_DIR/checkout name
  mkdir -p "$CARGO_TARGET_DIR"
  [ "$(cat "$built_for" 2>/dev/null || true)" != "$ROOT" ] || return 0
  find "$ROOT" -name Cargo.toml -exec sed -n 's/^name = "\(.*\)"/\1/p' {} + | sort -u | while read -r name; do
    rm -rf "$CARGO_TARGET_DIR"/*/.fingerprint/"$name"-????????????????
  done
  echo "$ROOT" >"$built_for"
}

need_cc() { command -v cc >/dev/null || apt_install "a C compiler and linker for Rust crates" gcc libc6-dev; }
