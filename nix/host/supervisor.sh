# shellcheck shell=sh
# What the supervisor's works have in common: what they say, their steps with deadlines, and the host's status.
# Sourced; `name` is the work's own word for itself, and `work` the folder of what belongs to this boot.
: "${name:?}" "${work:?}"

state=/var/lib/converge # what outlives a boot
profile=/nix/var/nix/profiles/system
export REASON="$work/reason"               # where a step's command may say why it failed
export FAILED_BEFORE="$work/failed-before" # units for which health does not blame the change
mkdir -p "$work" "$state"
chmod 700 "$state"

failed_units() {
  systemctl list-units --failed --plain --no-legend | cut -d ' ' -f 1
}

say() {
  echo "$name: $*"
}

# status STATE MESSAGE is what is known of the host from now on, whatever happens next. A disk without room for it is
# no reason to stop in the middle of a change, and least of all to leave it there.
status() {
  if jq -n --arg state "$1" --arg message "$2" --arg time "$(date -u +%FT%TZ)" \
    --arg generation "$(basename "$(readlink "$profile")" | tr -dc 0-9)" \
    --arg system "$(readlink -f /run/current-system)" --arg booted "$(readlink -f /run/booted-system)" \
    --arg nixpkgs "$(readlink /var/lib/nixpkgs/current)" --arg digest "$(cat "$state/digest" 2>/dev/null)" \
    '$ARGS.named | .generation |= tonumber' >"$state/status.json.new"; then
    mv "$state/status.json.new" "$state/status.json"
  else
    rm -f "$state/status.json.new"
    say "warning: $state/status.json cannot be written"
  fi
}

# step NAME SECONDS COMMAND… runs one step with its deadline. 
step() {
  current=$1
  seconds=$2
  shift 2
  say "$current"
  rm -f "$REASON"
  since=$(date +%s)
  ended=0
  timeout --kill-after=30 "$seconds" "$@" || ended=$?
  [ "$ended" = 0 ] || stopped "$(cat "$REASON" 2>/dev/null || echo "ended with status $ended; see above")"
}

# stopped REASON, if it was not for the deadline, nor for want of memory.
stopped() {
  case $ended in
    124) fail "took longer than $seconds s" ;;
    137)
      [ $(($(date +%s) - since)) -lt "$seconds" ] || fail "took longer than $seconds s"
      fail "was killed; \`journalctl -k\` tells whether memory ran out"
      ;;
    *) fail "$1" ;;
  esac
}

# As step, for what prints its error as a line of Nix's.
nix_step() {
  current=$1
  seconds=$2
  shift 2
  say "$current"
  since=$(date +%s)
  ended=0
  # shellcheck disable=SC2016 # expanded by the shell inside
  timeout --kill-after=30 "$seconds" bash -o pipefail -c '"$@" 2>&1 | tee "$0"' "$work/output" "$@" || ended=$?
  [ "$ended" = 0 ] ||
    stopped "$(sed -n 's/^ *error: *\(..*\)/\1/p' "$work/output" | tail -n 1 | grep . || echo "see above")"
}
