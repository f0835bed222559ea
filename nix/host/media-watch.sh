#!/bin/sh
# Ends a mount that hangs, which systemd then starts again: twice its top folder was not listed in time, though
# the bucket itself opened in between. What is only slow, or waits for a bucket that cannot be reached, is left
# alone: a restart would forget what is known of it, and could not begin before the bucket is back.
# Usage: media-watch.sh REMOTE:BUCKET SECONDS
set -eu

remote=$1
seconds=$2
answered=$(mktemp -u -p "$RUNTIME_DIRECTORY")
trap 'rm -f "$answered"' EXIT

# Not by `timeout`: who waits for a file system that hangs cannot always be killed, and would be waited for.
listed() {
  { ls /mnt/media >/dev/null 2>&1 || :; : >"$answered"; } &
  deadline=$(($(date +%s) + seconds))
  until [ -e "$answered" ]; do
    [ "$(date +%s)" -lt "$deadline" ] || return 1
    sleep 0.2
  done
}

running() {
  systemctl is-active --quiet media.service && systemctl show -P MainPID media.service
}

pid=$(running) || exit 0
! listed || exit 0
until reason=$(sh "$(dirname "$0")/opens.sh" "$CREDENTIALS_DIRECTORY/rclone.conf" "$remote"); do
  echo "<4>media-watch: the mount answers nothing for now, and $reason"
  [ ! -e "$answered" ] || exit 0
  sleep 5
done
! listed || exit 0
[ "$(running)" = "$pid" ] || exit 0
echo "<3>media-watch: the mount hangs, though the bucket can be opened; starting it again"
systemctl kill --signal=KILL media.service
