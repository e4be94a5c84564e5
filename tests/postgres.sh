#!/usr/bin/env bash
# A real PostgreSQL of our own on a free loopback port, reachable on 127.0.0.1, .2 and .3 as three nodes.
# As root it runs as an unprivileged user, because PostgreSQL refuses root. Data: a folder under /var/tmp.
#
#   tests/postgres.sh start NAME [VERSION]  start it, or say that it runs (NAME: demo, test, …), of version 11 or 18
#                                           instead of the one that is installed
#   tests/postgres.sh env NAME              print the variables to connect with, for eval; with those of NAME-11 and
#                                           NAME-18, if they were started
#   tests/postgres.sh stop NAME             stop it, keep its data
#   tests/postgres.sh remove NAME           stop it and delete its data
#
# Those versions are fetched by Maven, 15 MB each, into the user's cache folder.
. "$(dirname "$0")/lib.sh"

action=${1:-}; name=${2:-}; asked_version=${3:-}
case "$action:$name" in
  start:?*|env:?*|stop:?*|remove:?*) ;;
  *) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
case "$name" in *[!a-z0-9-]*) die "a name has letters, digits and -: '$name'" ;; esac
HOSTS=127.0.0.1,127.0.0.2,127.0.0.3
# In the demo `etl` is an ordinary role that loads; the tests' servers all have it as their superuser.
if [ "$name" = demo ]; then SUPERUSER=postgres; else SUPERUSER=etl; fi
STATE=$CACHE/postgres-$name      # three lines: the data's folder, the port, the version if it is a fetched one
dir=''; port=''; version=$asked_version
if [ -f "$STATE" ]; then { read -r dir; read -r port; read -r version || true; } <"$STATE"; fi

# The release that is fetched for a version.
release() {
  case "$1" in
    11) echo 11.22.1 ;;
    18) echo 18.1.0 ;;
    *) die "no such version: '$1' (11 and 18 are fetched)" ;;
  esac
}

# Fetches a version unless it is there, and prints the folder of its programs.
fetched_programs() {
  local release machine folder lock
  release=$(release "$1")
  case "$(uname -m)" in
    x86_64) machine=amd64 ;;
    aarch64) machine=arm64v8 ;;
    *) die "there are no PostgreSQL $1 programs to fetch for $(uname -m)" ;;
  esac
  folder=$CACHE/postgres/$release
  mkdir -p "$CACHE/postgres"
  exec {lock}>"$CACHE/postgres/lock"
  flock "$lock"
  if [ ! -d "$folder" ]; then
    command -v mvn >/dev/null || apt_install "Maven for PostgreSQL $1" maven
    command -v xz >/dev/null || apt_install "xz for PostgreSQL $1" xz-utils
    say "PostgreSQL $release: fetching 15 MB by Maven into $folder"
    rm -rf "$folder.jar" "$folder.part"
    mkdir "$folder.part"
    (cd "$CACHE" && mvn -B -ntp org.apache.maven.plugins:maven-dependency-plugin:3.6.1:unpack \
      -Dartifact="io.zonky.test.postgres:embedded-postgres-binaries-linux-$machine:$release" \
      -DoutputDirectory="$folder.jar" -DmarkersDirectory="$folder.jar") >"$CACHE/maven-postgres.log" 2>&1 ||
      { tail -20 "$CACHE/maven-postgres.log" >&2; die "Maven failed (whole log: $CACHE/maven-postgres.log)"; }
    tar -xJf "$folder.jar"/postgres-linux-*.txz -C "$folder.part"
    rm -rf "$folder.jar"
    mv "$folder.part" "$folder"
  fi
  exec {lock}>&-
  echo "$folder/bin"
}

# The folder of the programs of this server. Those of a fetched version are copied to its data: the user that it
# runs as need not be able to look into the cache.
programs() { if [ -n "$version" ]; then echo "$dir/programs/bin"; else postgres_bin; fi; }

# Runs a server program as a user that PostgreSQL accepts, with a clean environment.
server_user() { if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi; }
unprivileged() {
  if [ "$(id -u)" = 0 ]; then (cd / && exec runuser -u "$(server_user)" -- "$@"); else "$@"; fi
}
running() { [ -n "$dir" ] && [ -d "$dir/data" ] && unprivileged "$(programs)/pg_ctl" -D "$dir/data" status >/dev/null 2>&1; }

free_port() {
  local try host
  for try in $(seq 1 50); do
    port=$((20000 + RANDOM % 12000))
    for host in ${HOSTS//,/ }; do
      (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null && continue 2
    done
    return 0
  done
  die "no free port found"
}

make_cluster() {
  dir=$(mktemp -d "/var/tmp/etl-postgres-$name.XXXXXX")
  if [ -n "$version" ]; then
    local fetched
    fetched=$(fetched_programs "$version")
    cp -r "${fetched%/bin}" "$dir/programs"
  fi
  if [ "$(id -u)" = 0 ]; then chown "$(server_user)" "$dir"; fi
  say "PostgreSQL '$name': making a database cluster in $dir"
  unprivileged "$(programs)/initdb" -D "$dir/data" -U "$SUPERUSER" -A trust -E UTF8 --locale=C.UTF-8 -N >"$CACHE/initdb.log" 2>&1 ||
    { cat "$CACHE/initdb.log" >&2; die "initdb failed"; }
  # Throw-away data: no fsync, so that tests measure etl and not this disk.
  cat <<CONF | unprivileged tee -a "$dir/data/postgresql.conf" >/dev/null
listen_addresses = '$HOSTS'
unix_socket_directories = ''
max_connections = 300
fsync = off
full_page_writes = off
shared_buffers = 256MB
max_wal_size = 4GB
wal_level = minimal
max_wal_senders = 0
$(if [ "$name" != bench ]; then echo 'autovacuum = off'; fi)
CONF
}

start() {
  [ -z "$asked_version" ] || [ "$asked_version" = "$version" ] ||
    die "'$name' is there in another version: tests/postgres.sh remove $name"
  if running; then return 0; fi
  [ -n "$dir" ] && [ -d "$dir/data" ] || make_cluster
  local try
  for try in 1 2 3; do
    free_port
    if unprivileged "$(programs)/pg_ctl" -D "$dir/data" -l "$dir/log" -o "-p $port" -w -t 60 start >/dev/null 2>&1; then
      printf '%s\n%s\n%s\n' "$dir" "$port" "$version" >"$STATE"
      say "PostgreSQL '$name' runs on port $port of ${HOSTS//,/, }"
      return
    fi
  done
  tail -20 "$dir/log" >&2
  die "PostgreSQL did not start (its log: $dir/log)"
}

stop() {
  if running; then unprivileged "$(programs)/pg_ctl" -D "$dir/data" -m fast -w stop >/dev/null; say "PostgreSQL '$name' stopped"
  else say "PostgreSQL '$name' does not run"; fi
}

url() { echo "postgres://$SUPERUSER@127.0.0.1:$1/postgres"; }

case "$action" in
  start) need_postgres; start ;;
  stop) stop ;;
  remove) stop; case "$dir" in /var/tmp/etl-postgres-*) rm -rf "$dir" ;; esac; rm -f "$STATE" ;;
  env)
    running || die "PostgreSQL '$name' does not run: tests/postgres.sh start $name"
    echo "export PGPORT=$port ETL_TEST_POSTGRES=$(url "$port")"
    for version in 11 18; do
      if [ -f "$STATE-$version" ]; then
        echo "export ETL_TEST_POSTGRES_$version=$(url "$(sed -n 2p "$STATE-$version")")"
      fi
    done ;;
esac
