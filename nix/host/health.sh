#!/bin/sh
# Whether the host does what it is for. Each check has its own time; the first that fails is the answer.
# Usage: health.sh PART…: host (it can be reached), library (its restoration has ended), service (Plex serves)
set -eu

host=$(dirname "$0")
configuration=$(dirname "$host")
[ -e "$configuration/parameters" ] || configuration=/etc/nixos
# shellcheck source=/dev/null
. "$configuration/parameters"

say() {
  echo "health: $*"
}

# await SECONDS WHAT COMMAND… runs a check until it succeeds, or says by status 3 that it never will, or its time
# is over.
await() {
  deadline=$(($(date +%s) + $1))
  what=$2
  shift 2
  until reason=$("$@" 2>&1); do
    if [ $? = 3 ] || [ "$(date +%s)" -ge "$deadline" ]; then
      say "$what: $reason"
      [ -z "${REASON:-}" ] || echo "$what: $(printf '%s\n' "$reason" | tail -n 1 | cut -c 1-300)" >"$REASON"
      exit 1
    fi
    sleep 1
  done
  say "$what"
}

# The last that a unit has said, up to this moment.
words() {
  journalctl --sync
  journalctl --unit="$1" --lines="${2:-15}" --no-pager --output=cat
}

active() {
  systemctl is-active --quiet "$1" && return
  words "$1"
  echo "$1 is $(systemctl is-active "$1" || :)"
  return 1
}

# A new connection is answered with this host's key, at the addresses of its own too.
ssh_answers() {
  key=$(cut -d ' ' -f 2 /etc/ssh/ssh_host_ed25519_key.pub)
  for address in 127.0.0.1 $(ip -o address show scope global | awk '{ sub("/.*", "", $4); print $4 }'); do
    ssh-keyscan -T 5 -t ed25519 "$address" 2>/dev/null | grep -qF "$key" || {
      echo "no answer at $address"
      return 1
    }
  done
}

network() {
  [ -n "$(ip -4 route show default)" ] || { echo "no default route for IPv4"; return 1; }
  [ -n "$(ip -6 route show default)" ] || { echo "no default route for IPv6"; return 1; }
  [ -n "$(ip -6 address show scope global -tentative)" ] || { echo "no IPv6 address"; return 1; }
}

mounted() {
  source=$(findmnt --noheadings --output SOURCE /mnt/media) || { echo "nothing is mounted"; return 1; }
  [ "$source" = "b2:$BUCKET" ] || { echo "$source is mounted, and not b2:$BUCKET"; return 1; }
  timeout 20 ls /mnt/media >/dev/null
}

machine() {
  sed -En 's/.* machineIdentifier="([^"]+)".*/\1/p'
}

# While it changes its databases for a newer version, Plex answers 503, and that is waited for. Silence is not: then
# it has ended, over a database that it cannot work with for example, or it hangs.
plex() {
  if curl -sS --max-time 10 --output "$answer" http://127.0.0.1:32400/identity; then
    machine <"$answer" | grep -q . && return
    touch "$answer"
    echo "/identity says: $(head -c 200 "$answer")"
    return 1
  fi
  said=$(words plex)
  printf '%s\n' "$said"
  restore="\`sudo plex-library restore\` puts the newest backup in the place of the library"
  case $said in
    *"is not what Plex writes"*) echo "nothing answers on port 32400: Plex's Preferences.xml is damaged; $restore" ;;
    *"disk image is malformed"* | *"file is not a database"*)
      echo "nothing answers on port 32400: Plex's database is damaged; $restore"
      ;;
    *) echo "nothing answers on port 32400" ;;
  esac
  [ $(($(date +%s) - $(stat -c %Y "$answer"))) -lt 120 ] || return 3
  return 1
}

# TLS answers for the name, and the response is ours: the closed page, or the very Plex that runs here.
web() {
  answer=$(curl -ksS --max-time 10 --resolve "$DOMAIN:443:127.0.0.1" "https://$DOMAIN/identity") || {
    echo "$answer"
    return 1
  }
  case $answer in
    *"<title>This Plex server has not been claimed yet</title>"*) return 0 ;;
  esac
  ours=$(curl -fsS --max-time 10 http://127.0.0.1:32400/identity | machine)
  if [ -z "$ours" ] || [ "$(printf '%s\n' "$answer" | machine)" != "$ours" ]; then
    echo "an answer that is not ours: $(printf '%s' "$answer" | head -c 200)"
    return 1
  fi
}

# A certificate's order may take its time, and is tried again.
failed_units() {
  systemctl list-units --failed --plain --no-legend | cut -d ' ' -f 1 | grep -v '^acme-' || :
}

# What had failed before the change is nothing that it could be blamed for.
had_failed() {
  [ -e "${FAILED_BEFORE:-}" ] && grep -qxF "$1" "$FAILED_BEFORE"
}

# Nor is what a timer starts: a backup, for which Backblaze did not answer just then.
by_timer() {
  systemctl show -P TriggeredBy "$1" | grep -q '\.timer'
}

none_newly_failed() {
  newly=$(for unit in $(failed_units); do had_failed "$unit" || by_timer "$unit" || echo "$unit"; done)
  [ -n "$newly" ] || return 0
  for unit in $newly; do
    words "$unit"
  done
  echo "newly failed: $(echo "$newly" | xargs)"
  return 1
}

# Waits for as long as it is at it. What it tries again each minute is waited for five times.
restored() {
  unit=plex-library.service
  told=
  while [ "$(systemctl is-active "$unit")" = activating ] && [ "$(systemctl show -P NRestarts "$unit")" -lt 5 ]; do
    last=$(words "$unit" 1)
    [ "$last" = "$told" ] || say "library: $last"
    told=$last
    sleep 5
  done
  case $(systemctl is-active "$unit") in
    failed | activating) ;;
    *) return 0 ;;
  esac
  why=$(words "$unit" 20 | grep '^plex-library: ' | tail -n 1)
  if had_failed "$unit"; then
    say "warning: Plex waits for its library, as before this change: $why"
  else
    say "library: $why"
    [ -z "${REASON:-}" ] || echo "$why" >"$REASON"
    exit 1
  fi
}

plex_serves() {
  await 90 "plex is active" active plex.service
  answer=$(mktemp -p /run)
  trap 'rm -f "$answer"' EXIT
  await 600 "Plex answers" plex
  await 60 "https://$DOMAIN is this host's" web
}

for part; do
  case $part in
    host)
      await 90 "sshd is active" active sshd.service
      await 90 "nginx is active" active nginx.service
      await 60 "SSH answers a new connection" ssh_answers
      await 90 "routes and an IPv6 address" network
      ;;
    library) restored ;;
    service)
      # This also shows that names are resolved, and that the way out is open.
      await 60 "the bucket opens" sh "$host/media-check.sh" /var/lib/secrets/rclone.conf "b2:$BUCKET"
      for unit in media plex-gate; do
        await 90 "$unit is active" active "$unit.service"
      done
      await 60 "the bucket is mounted and answers" mounted
      # `restored` has said so, and that it is not this change's doing.
      systemctl is-failed --quiet plex-library.service || plex_serves
      await 20 "no unit has newly failed" none_newly_failed
      sh "$host/certificate.sh" "$configuration/parameters" | sed 's/^certificate: /health: /'
      sh "$host/caps.sh" | sed 's/^/health: warning: /'
      for unit in $(failed_units); do
        had_failed "$unit" && when=" before this change" || when=
        say "warning: $unit had failed$when"
      done
      ! command -v plex-library >/dev/null || plex-library warnings | sed 's/^/health: warning: /'
      ;;
  esac
done
