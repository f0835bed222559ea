#!/bin/sh
# Whether the host does what it is for. Each check has its own time; the first that fails is the answer.
set -eu

next=$(dirname "$(dirname "$0")")
# shellcheck source=/dev/null
. "$next/parameters"

# await SECONDS WHAT COMMAND… runs a check until it succeeds or its time is over.
await() {
  deadline=$(($(date +%s) + $1))
  what=$2
  shift 2
  until reason=$("$@" 2>&1); do
    if [ "$(date +%s)" -ge "$deadline" ]; then
      echo "health: $what: $reason"
      return 1
    fi
    sleep 1
  done
  echo "health: $what"
}

active() {
  systemctl is-active --quiet "$1" && return
  systemctl status --no-pager --lines=15 "$1"
  return 1
}

mounted() {
  mountpoint -q /mnt/media || { echo "nothing is mounted"; return 1; }
  timeout 20 ls /mnt/media >/dev/null
}

machine() {
  sed -En 's/.* machineIdentifier="([^"]+)".*/\1/p'
}

plex() {
  curl -fsS --max-time 10 http://127.0.0.1:32400/identity | machine | grep -q . || {
    echo "/identity does not answer"
    return 1
  }
}

# TLS answers for the name, and the response is ours: the closed page, or the very Plex that runs here.
web() {
  answer=$(curl -ksS --max-time 10 --resolve "$DOMAIN:443:127.0.0.1" "https://$DOMAIN/identity") || {
    echo "$answer"
    return 1
  }
  case $answer in
    "This Plex server has not been claimed yet"*) return 0 ;;
  esac
  ours=$(curl -fsS --max-time 10 http://127.0.0.1:32400/identity | machine)
  if [ -z "$ours" ] || [ "$(printf '%s\n' "$answer" | machine)" != "$ours" ]; then
    echo "an answer that is not ours: $(printf '%s' "$answer" | head -c 200)"
    return 1
  fi
}

for unit in sshd media plex plex-gate nginx; do
  await 90 "$unit is active" active "$unit.service"
done
await 60 "the bucket is mounted and answers" mounted
await 180 "Plex answers" plex
await 60 "https://$DOMAIN is this host's" web
