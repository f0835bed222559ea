# shellcheck shell=sh
# Whether the client of an SSH session learns with which status it ends. Sourced; `client` and `port` are theirs.
#
# The client need not hang up: Pulumi's command plugin keeps its connection until the whole run is over. But it
# answers the end of a session, behind whose status that end is sent.
: "${client:?}" "${port:?}"

# look sets how many bytes have come from the client, and how many for it have not arrived; both are empty once the
# connection is over.
look() {
  received=
  pending=
  # shellcheck disable=SC2046 # words
  set -- $(ss -HtniO state established "dst = $client and dport = $port")
  [ "$#" != 0 ] || return 0
  received=0
  pending=$2
  for word; do
    case $word in
      bytes_received:*) received=${word#*:} ;;
    esac
  done
}

# session prints which process the session of our shell began with: when that has ended, sshd ends the session.
session() {
  read -r _ _ _ _ _ first _ </proc/$$/stat
  echo "$first"
}

# told FIRST RECEIVED waits, in what outlives the session, for the client to be told, and fails where it was not.
# RECEIVED is how much had come from it while the session was there, and empty where it had gone by then.
told() {
  [ -n "$2" ] || return 1
  while [ -e "/proc/$1" ]; do
    look
    # A session that ends while we look is one whose client was told, and has hung up since.
    [ -n "$pending" ] || [ ! -e "/proc/$1" ] || return 1
    sleep 0.1
  done
  left=0
  quiet=0
  while look && [ -n "$pending" ]; do
    [ "$pending" != 0 ] || [ "$received" = "$2" ] || return 0
    left=$pending
    # One that is stopped answers nothing more; but its kernel has had everything for a minute, and keeps it.
    quiet=$((pending == 0 ? quiet + 1 : 0))
    [ "$quiet" -lt 600 ] || return 0
    sleep 0.1
  done
  # It has hung up, and had everything; or TCP has given it up.
  [ "$left" = 0 ]
}
