#!/bin/sh
# What a host says of itself, for `fleet status`, which hands this to a shell of root's: one JSON document of texts,
# as the commands below print them. It changes nothing. What has no answer within 20 seconds is not in it.
set -eu

seconds=20
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# shellcheck source=/dev/null
. /etc/nixos/parameters

# fact NAME COMMAND… is not waited for: what reads a mount that hangs cannot always be killed.
fact() {
  name=$1
  shift
  asked=$((${asked:-0} + 1))
  (
    timeout --kill-after=1 "$seconds" "$@" >".$name" || :
    mv ".$name" "$name"
  ) >/dev/null 2>&1 </dev/null &
}

rc() {
  fact "$1" rclone rc --unix-socket /run/media/rclone.sock "$2" ${3:+"$3"}
}

fact time date +%s
fact stack cat /var/lib/host/stack
fact status cat /var/lib/converge/status.json
fact drift drift
fact failed systemctl list-units --failed --plain --no-legend
fact active systemctl is-active sshd nginx media plex-gate plex
fact mounted findmnt --noheadings --output SOURCE /mnt/media
fact listed sh -c 'ls /mnt/media >/dev/null && echo yes'
fact disk df -B1 --output=size,avail /
fact load cat /proc/loadavg
fact cores nproc
fact plex curl -sS --max-time 10 http://127.0.0.1:32400/identity
fact gate ls /run/plex-gate
fact upgrade systemctl show --property=LoadState,Result upgrade.service
fact upgraded journalctl --unit=upgrade.service --lines=1 --output=json
rc cache vfs/stats
rc traffic core/stats
rc bucket operations/size "fs=b2:$BUCKET"
if command -v plex-library >/dev/null; then
  fact backup cat /var/lib/library/last.json
  fact warnings plex-library warnings
fi

deadline=$(($(date +%s) + seconds + 2))
until [ "$(find . -type f ! -name '.*' | wc -l)" = "$asked" ] || [ "$(date +%s)" -ge "$deadline" ]; do
  sleep 0.1
done
for file in *; do
  jq -Rs --arg name "$file" '{($name): .}' "$file"
done | jq -cs add
