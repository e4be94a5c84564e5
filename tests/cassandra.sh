#!/usr/bin/env bash
# A real Apache Cassandra of our own, from its jars alone: node I on 127.0.0.I, all on the same free port.
# Installs Java 17 and Maven (Debian packages, if missing) and 67 MB of jars, kept in the user's cache folder.
# As whoever calls it, root too. Data: a folder under /var/tmp.
#
#   tests/cassandra.sh install              the jars alone
#   tests/cassandra.sh start NAME [OPTION…] start it, or say that it runs (NAME: demo, test, …)
#       --nodes N            1, 2 or 3 nodes (default 1); with --datacenters 2 they alternate between two
#       --auth               passwords and grants; superuser cassandra, password cassandra
#       --tls | --mtls       TLS for clients | with client certificates; keys in the folder keys
#       --names LIST         what the server's certificate is valid for (default localhost, 127.0.0.1, .2, .3)
#       --heap SIZE          of each node's Java heap (default 512m)
#       --quick              compiles little: starts in fewer CPU seconds, reads slower
#       --owner PID          removed when this process is gone (at the next start, or by sweep)
#   tests/cassandra.sh env NAME             print the variables to connect with, for eval
#   tests/cassandra.sh stop NAME            stop it, keep its data
#   tests/cassandra.sh remove NAME          stop it and delete its data
#   tests/cassandra.sh stop-node|kill-node|pause-node|resume-node|restart-node NAME I
#   tests/cassandra.sh sweep                remove those whose owner is gone
#   tests/cassandra.sh status               what runs
. "$(dirname "$0")/lib.sh"

FILES=$ROOT/tests/cassandra
VERSION=$(sed -n 's:.*<cassandra.version>\(.*\)</.*:\1:p' "$FILES/pom.xml")
JARS=$CACHE/cassandra/$VERSION
START_SECONDS=180

# No `| grep -q` in here: it ends at the first match, what writes to it dies of that, and `pipefail` calls it a no.

usage() { sed -n '2,24s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# ---- what has to be installed

java17() {
  local java
  for java in "${JAVA_HOME:-/none}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*17*/bin/java; do
    if [ -x "$java" ] && "$java" -version 2>&1 | grep 'version "17\.' >/dev/null; then echo "$java"; return; fi
  done
  return 1
}

need_jars() {
  java17 >/dev/null || apt_install "Java 17 for Cassandra" openjdk-17-jre-headless
  java17 >/dev/null || die "Cassandra needs Java 17: install it, or name it with JAVA_HOME"
  local lock
  exec {lock}>"$CACHE/cassandra.lock"
  flock "$lock"
  if [ ! -d "$JARS" ]; then
    command -v mvn >/dev/null || apt_install "Maven for Cassandra's jars" maven
    say "Cassandra $VERSION: fetching 67 MB of jars by Maven into $JARS"
    rm -rf "$JARS.part"
    mvn -B -ntp -f "$FILES/pom.xml" \
      org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
      -DoutputDirectory="$JARS.part" -DincludeScope=runtime >"$CACHE/maven.log" 2>&1 ||
      { tail -20 "$CACHE/maven.log" >&2; die "Maven failed (whole log: $CACHE/maven.log)"; }
    mv "$JARS.part" "$JARS"
  fi
  exec {lock}>&-
}

# ---- a cluster's state: a folder and its ports

# Five lines: folder, native port, storage port, the owner's process or 0, the options it was made with.
state() { echo "$CACHE/cassandra-$1"; }

load() {
  folder='' native='' storage='' owner=0 made=''
  if [ -f "$(state "$name")" ]; then
    { read -r folder; read -r native; read -r storage; read -r owner; read -r made; } <"$(state "$name")"
  fi
}

save() { printf '%s\n' "$folder" "$native" "$storage" "$owner" "$made" >"$(state "$name").part" && mv "$(state "$name").part" "$(state "$name")"; }

# The process of node I, if it is the one that was started here.
pid_of() {
  local pid
  pid=$(cat "$folder/n$1/pid" 2>/dev/null) && [ -r "/proc/$pid/cmdline" ] || return 1
  tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -xF -- "@$folder/n$1/jvm.args" >/dev/null && echo "$pid"
}

nodes_made() { local at=1; while [ -d "$folder/n$at" ]; do echo "$at"; at=$((at + 1)); done; }
running() { local i; for i in $(nodes_made); do pid_of "$i" >/dev/null || return 1; done; [ -d "$folder/n1" ]; }
listens() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

ports_are_free() {
  local i
  for i in $(seq 1 "$nodes"); do
    if listens "127.0.0.$i" "$native" || listens "127.0.0.$i" "$storage"; then return 1; fi
  done
}

choose_ports() {
  local try
  if [ -n "$native" ] && ports_are_free; then return; fi
  # Nodes remember each other by these ports.
  [ -z "$native" ] || [ "$nodes" = 1 ] || die "port $native or $storage is taken: tests/cassandra.sh remove $name"
  for try in $(seq 1 50); do
    native=$((20000 + RANDOM % 12000)) storage=$((20000 + RANDOM % 12000))
    if [ "$native" != "$storage" ] && ports_are_free; then return; fi
  done
  die "no free ports found after $try attempts"
}

# ---- a node's files

# A certificate authority, a certificate for all nodes, one for clients; and a stranger's authority and client.
make_keys() {
  local keys=$folder/keys ca who
  [ -d "$keys" ] && return
  command -v openssl >/dev/null || apt_install "openssl for the test's certificates" openssl
  mkdir "$keys.part"
  (
    cd "$keys.part"
    key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
    for ca in '' other-; do
      key "${ca}ca.key"
      openssl req -x509 -new -key "${ca}ca.key" -days 3650 -subj "/CN=${ca}test-authority" \
        -addext basicConstraints=critical,CA:TRUE -out "${ca}ca.pem"
      for who in server client; do
        key "$ca$who.key"
        printf 'basicConstraints=CA:FALSE\nsubjectAltName=%s\n' "$names" >extensions
        openssl req -new -key "$ca$who.key" -subj "/CN=$who" | openssl x509 -req -CA "${ca}ca.pem" \
          -CAkey "${ca}ca.key" -CAcreateserial -days 3650 -extfile extensions -out "$ca$who.crt"
      done
    done
    cat server.key server.crt ca.pem >server.pem
  ) >"$folder/keys.log" 2>&1 || { tail "$folder/keys.log" >&2; die "openssl failed (its log: $folder/keys.log)"; }
  mv "$keys.part" "$keys"
}

configure_node() {
  local i=$1 node=$folder/n$1 authenticator=AllowAllAuthenticator authorizer=AllowAllAuthorizer
  mkdir -p "$node/log" "$node/tmp"
  if [ "$auth" = true ]; then authenticator=PasswordAuthenticator authorizer=CassandraAuthorizer; fi
  sed -e "s|@NAME@|$name|; s|@FOLDER@|$node|g; s|@KEYS@|$folder/keys|g; s|@ADDRESS@|127.0.0.$i|g" \
    -e "s|@NATIVE@|$native|; s|@STORAGE@|$storage|g; s|@SSLSTORAGE@|$((storage + 1))|; s|@TOKENS@|16|" \
    -e "s|@AUTHENTICATOR@|$authenticator|; s|@AUTHORIZER@|$authorizer|; s|@TLS@|$tls|; s|@MTLS@|$mtls|" \
    "$FILES/cassandra.yaml.in" >"$node/cassandra.yaml"
  printf 'dc=datacenter%s\nrack=rack1\n' $(((i - 1) % datacenters + 1)) >"$node/rack.properties"
  {
    grep -v '^#' "$FILES/jvm.options"
    if [ "$quick" = true ]; then echo -XX:TieredStopAtLevel=1; fi
    printf '%s\n' -Xms64m "-Xmx$heap" "-Djava.io.tmpdir=$node/tmp" "-Djna.tmpdir=$node/tmp" \
      "-Dcassandra.config=file://$node/cassandra.yaml" "-Dcassandra-rackdc.properties=file://$node/rack.properties" \
      "-Dlogback.configurationFile=file:$FILES/logback.xml" "-Dcassandra.logdir=$node/log" \
      "-Dcassandra.storagedir=$node" -Dcassandra-foreground=yes
  } >"$node/jvm.args"
}

# ---- starting and stopping

launch() {
  local node=$folder/n$1 path
  path=$(printf '%s:' "$JARS"/*.jar)
  # Where this start's part of the log begins.
  stat -c %s "$node/log/system.log" >"$node/log/start" 2>/dev/null || echo 0 >"$node/log/start"
  (cd "$node" && exec setsid "$(java17)" "@$node/jvm.args" -cp "${path%:}" org.apache.cassandra.service.CassandraDaemon \
    >"$node/log/output.log" 2>&1 </dev/null 9>&-) &
  echo $! >"$node/pid"
}

log_says() { tail -c "+$(($(cat "$folder/n$1/log/start") + 1))" "$folder/n$1/log/system.log" 2>/dev/null | grep -- "$2" >/dev/null; }

# What a node that ended said last: its exceptions' messages rather than their stacks.
last_words() { grep -v '^[[:space:]]*at ' "$folder/n$1/log/output.log" | tail -8; }

# Waits until something holds of node I. Fails when the node ends, or after a long time.
wait_for() {
  local i=$1 what=$2 deadline=$((SECONDS + START_SECONDS)); shift 2
  until "$@"; do
    kill -0 "$(cat "$folder/n$i/pid")" 2>/dev/null || return 1
    [ "$SECONDS" -lt "$deadline" ] || die "node $i of '$name' does not $what in $START_SECONDS s (log: $folder/n$i/log)"
    sleep 0.1
  done
}

wait_ready() {
  local i=$1 other
  wait_for "$i" listen listens "127.0.0.$i" "$native" || return 1
  for other in $(nodes_made); do
    if [ "$other" = "$i" ] || ! pid_of "$other" >/dev/null; then continue; fi
    wait_for "$i" "see node $other" log_says "$i" "127.0.0.$other:$storage.*now UP" || return 1
    wait_for "$other" "see node $i" log_says "$other" "127.0.0.$i:$storage.*now UP" || return 1
  done
}

launch_all() {
  local i
  # One after the other: the first is the others' seed, and two at once are not faster.
  for i in $(seq 1 "$nodes"); do
    pid_of "$i" >/dev/null && continue
    launch "$i"
    wait_ready "$i" || { last_words "$i" >&2; return 1; }
  done
  [ "$auth" = false ] || wait_for 1 "make its superuser" grep -q 'default superuser role' "$folder/n1/log/system.log"
}

parse_options() {
  nodes=1 datacenters=1 auth=false tls=false mtls=false heap=512m quick=false asked_owner=0
  names=DNS:localhost,IP:127.0.0.1,IP:127.0.0.2,IP:127.0.0.3
  while [ $# -gt 0 ]; do
    case "$1" in
      --auth) auth=true ;;
      --tls) tls=true ;;
      --mtls) tls=true mtls=true ;;
      --quick) quick=true ;;
      --nodes | --datacenters | --heap | --names | --owner)
        [ $# -gt 1 ] || die "$1 needs a value"
        case "$1" in
          --nodes) nodes=$2 ;; --datacenters) datacenters=$2 ;; --heap) heap=$2 ;; --names) names=$2 ;;
          --owner) asked_owner=$2 ;;
        esac
        shift ;;
      *) die "no such option: '$1'" ;;
    esac
    shift
  done
  case "$nodes$datacenters" in [123][12]) ;; *) die "1 to 3 nodes in 1 or 2 datacentres" ;; esac
}

start() {
  parse_options "$@"
  local wanted="$nodes $datacenters $auth $tls $mtls $heap $quick $names" began=$SECONDS i
  if [ -n "$folder" ] && [ -d "$folder/n1" ]; then
    [ "$made" = "$wanted" ] || die "'$name' was made with other options ($made): tests/cassandra.sh remove $name"
    if running; then say "Cassandra '$name' runs on port $native"; return; fi
    stop_all
  else
    folder=$(mktemp -d "/var/tmp/etl-cassandra-$name.XXXXXX")
    native='' storage=''
  fi
  owner=$asked_owner made=$wanted
  if [ "$tls" = true ]; then make_keys; fi
  local try
  for try in 1 2 3; do
    choose_ports
    for i in $(seq 1 "$nodes"); do configure_node "$i"; done
    save
    if launch_all; then
      say "Cassandra '$name' runs: $nodes node(s) on port $native, after $((SECONDS - began)) s"
      return
    fi
    # The free port may have been taken by somebody else before Cassandra had it.
    kill_all
    grep -qs 'in use' "$folder"/n*/log/*.log || break
  done
  die "Cassandra did not start, attempt $try (its logs: $folder/n*/log)"
}

gone() { local deadline=$((SECONDS + 60)); while [ -d "/proc/$1" ] && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.05; done; }

# Ends node I: TERM drains its memtables, KILL is a crash. Afterwards its old listener answers no more.
end_node() {
  local pid
  pid=$(pid_of "$2") || return 0
  # A paused process hears TERM when it continues.
  if kill "-$1" "$pid"; then kill -CONT "$pid" 2>/dev/null || true; fi
  gone "$pid"
  if [ -d "/proc/$pid" ]; then kill -KILL "$pid" 2>/dev/null || true; gone "$pid"; fi
  rm -f "$folder/n$2/pid"
}

stop_all() { local i; for i in $(nodes_made | tac); do end_node TERM "$i"; done; }
kill_all() { local i; for i in $(nodes_made); do end_node KILL "$i"; done; }

remove() {
  kill_all
  case "$folder" in /var/tmp/etl-cassandra-*) rm -rf "$folder" ;; esac
  rm -f "$(state "$name")" "$(state "$name").lock"
}

sweep() {
  local file
  for file in "$CACHE"/cassandra-*; do
    name=${file##*/cassandra-}
    case "$name" in *[!a-z0-9-]*) continue ;; esac
    load
    if [ "$owner" = 0 ] || [ -d "/proc/$owner" ]; then continue; fi
    say "removing Cassandra '$name': its owner is gone"
    remove
  done
}

node_action() {
  local i=$1 pid
  [ -d "$folder/n$i" ] || die "'$name' has no node '$i'"
  pid=$(pid_of "$i" || true)
  case "$action" in
    restart-node)
      [ -z "$pid" ] || die "node $i runs: stop-node or kill-node first"
      launch "$i"
      wait_ready "$i" || { last_words "$i" >&2; die "node $i ended (log: $folder/n$i/log)"; } ;;
    *)
      [ -n "$pid" ] || die "node $i of '$name' does not run"
      case "$action" in
        stop-node) end_node TERM "$i" ;;
        kill-node) end_node KILL "$i" ;;
        pause-node) kill -STOP "$pid" ;;
        resume-node) kill -CONT "$pid" ;;
      esac ;;
  esac
}

status() {
  local file i pid
  for file in "$CACHE"/cassandra-*; do
    name=${file##*/cassandra-}
    case "$name" in *[!a-z0-9-]*) continue ;; esac
    load
    for i in $(nodes_made); do
      if pid=$(pid_of "$i"); then
        echo "$name, node $i: 127.0.0.$i:$native, process $pid, $(awk '/VmRSS/ { print int($2 / 1024) }' "/proc/$pid/status") MiB"
      else echo "$name, node $i: stopped"; fi
    done
  done
}

print_env() {
  local i hosts='' pids=''
  for i in $(nodes_made); do hosts=$hosts,127.0.0.$i:$native; pids="$pids $(pid_of "$i" || true)"; done
  [ -n "${pids// /}" ] || die "Cassandra '$name' does not run: tests/cassandra.sh start $name"
  echo "export ETL_TEST_CASSANDRA=${hosts#,} ETL_TEST_CASSANDRA_FOLDER=$folder ETL_TEST_CASSANDRA_PIDS='${pids# }'"
}

action=${1:-} name=${2:-}
[ $# -lt 2 ] || shift 2
case "$action" in
  install) need_jars; exit ;;
  status) status; exit ;;
  sweep) sweep; exit ;;
  start) need_jars; sweep_for=$name; sweep; name=$sweep_for ;;
  env | stop | remove | stop-node | kill-node | pause-node | resume-node | restart-node) ;;
  *) usage ;;
esac
[ -n "$name" ] || usage
case "$name" in *[!a-z0-9-]*) die "a name has letters, digits and -: '$name'" ;; esac
# One at a time for each name; the nodes do not inherit it.
exec 9>"$(state "$name").lock"
flock 9
load
case "$action" in
  start) start "$@" ;;
  stop) stop_all; say "Cassandra '$name' stopped" ;;
  remove) remove ;;
  env) print_env ;;
  *) node_action "${1:-}" ;;
esac
