# What the demos share. Sourced behind lib.sh, never run.

# Sets up what every demo needs: etl and the module of an example from source, and the demos' PostgreSQL, which is three
# nodes. Leaves `etl` and the variables to connect with.
demo_setup() { # EXAMPLE
  need_rust; need_cc; need_postgres
  say "building etl (release; the first time takes some minutes)"
  cargo build --release --locked -p etl
  say "building the module of $1 from source"
  tests/wasm.sh rust "$1" --out "$1"
  tests/postgres.sh start demo
  eval "$(tests/postgres.sh env demo)"
  export PGPASSFILE=$CACHE/demo.pgpass
  tests/demo-database.sh
  etl=$CARGO_TARGET_DIR/release/etl
}

psql_demo() { psql -X -v ON_ERROR_STOP=1 -h 127.0.0.1 -U etl -d etl "$@"; }

# Makes a table in the demos' database from a file, unless it is there.
demo_table() { # TABLE FILE
  [ "$(psql_demo -At -c "SELECT to_regclass('$1') IS NOT NULL")" = t ] || psql_demo -q -f "$2"
}

# Shows a command, and runs it with the etl that was built. 8 is "done, with rejects": each story has some. 9: another
# version of the example was loaded before, and the story begins again.
demo_etl() { # ARGUMENT…
  local status=0
  say "etl $*"
  "$etl" "$@" || status=$?
  case $status in
    0 | 8) ;;
    9)
      [ -z "${ETL_DEMO_ANEW:-}" ] || exit 9
      say "that is what another version of the example loaded: taking the demos' database away, and beginning again"
      psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -U postgres -d postgres -c 'DROP DATABASE etl WITH (FORCE)'
      ETL_DEMO_ANEW=1 exec "$ROOT/tests/$(basename "$0")"
      ;;
    *) exit "$status" ;;
  esac
}
