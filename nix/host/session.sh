# shellcheck shell=sh
# One SSH session's view of work that outlives it: a transient unit that writes a log whose last line
# says how it stands. Sourced by the scripts that `pulumi up` runs, and by upgrades; `name`, `unit` and `work` are
# theirs.
#
# The last line is "NAME: done: WHAT", "NAME: failed: REASON" or "NAME: waiting: WHAT"; anything else is progress.
: "${name:?}" "${unit:?}" "${work:?}"

# await_boot PAYLOAD waits, soon after a boot, until it has settled what a change left open.
await_boot() {
  ended=0
  timeout 300 systemctl start converge-recover.service 2>/dev/null || ended=$?
  if [ "$ended" = 124 ]; then
    rm -rf "$1"
    echo "$name: this host has booted, and is still settling what a change left open; try again in some minutes" >&2
    exit 1
  fi
}

# hold LOCK: of those who begin something at the same moment, one goes on; the others meet its work. It is held until
# descriptor 9 is closed. Who can open a file can hold its lock, for ever, so locks lie where only root gets.
hold() {
  install -d -m 700 /run/host-locks
  exec 9>"/run/host-locks/$1"
  flock -w 120 9 && return
  echo "$name: somebody else has been beginning something here for two minutes: \`lslocks\` names the process that" \
    "holds /run/host-locks/$1. Try again when it has ended" >&2
  return 1
}

# Whether the unit is still at it. No answer is none: systemd may be busy.
at_work() {
  case $(systemctl is-active "$unit" 2>/dev/null || :) in
    inactive | failed) return 1 ;;
  esac
}

# Who that is.
who() {
  cat /run/converge.who 2>/dev/null || echo "nixos-rebuild"
}

last_line() {
  tail -n 1 "$work/log" 2>/dev/null || :
}

# Runs a command in the unit, its output in the log and in the journal.
start() {
  mkdir -p "$work"
  : >"$work/log"
  # shellcheck disable=SC2016 # expanded by the shell in the unit
  systemd-run --quiet --collect --unit="$unit" --service-type=exec --setenv=PATH="$PATH" \
    --property=OOMScoreAdjust=-100 --property=OOMPolicy=continue \
    sh -c 'log=$1; shift; { "$@"; } 2>&1 | tee "$log"' sh "$work/log" "$@"
}

# Waits for the unit to end, which it does right after its last word: whoever came in between would be told that
# somebody is at work.
await_end() {
  rounds=0
  while [ $rounds -lt 600 ] && at_work; do
    sleep 0.1
    rounds=$((rounds + 1))
  done
}

# follow FROM prints the log from that byte on as it grows, and every half minute of silence that the work goes
# on, until its last line is an end or nobody writes it any more. What waits has ended too, unless it was
# waiting already where the log is taken up.
follow() {
  printed=$1
  quiet=0
  while :; do
    active=no
    at_work && active=yes
    last=$(last_line) # before the size: what ends this has been printed then
    size=$(wc -c <"$work/log")
    tail -c "+$((printed + 1))" "$work/log" | head -c "$((size - printed))"
    if [ "$size" = "$printed" ]; then
      quiet=$((quiet + 1))
      [ $((quiet % 60)) != 0 ] || echo "… still at it: $(last_line)"
    else
      quiet=0
    fi
    printed=$size
    case $last in
      "$name: done: "* | "$name: failed: "*)
        await_end
        return 0
        ;;
      "$name: waiting: "*) [ "$1" != 0 ] || return 0 ;;
    esac
    [ "$active" = yes ] || return 0
    sleep 0.5
  done
}
