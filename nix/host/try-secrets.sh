#!/bin/sh
# Tries a new set of secrets, and puts the old one back if it does not work. Usage: try-secrets.sh PAYLOAD
set -eu
umask 077

payload=$1
name=secrets
work=/run/secrets-on-trial
# shellcheck source=nix/host/supervisor.sh
. "$payload/host/supervisor.sh"
# shellcheck source=/dev/null
. "$payload/parameters"

new=$payload/secrets
kept=/var/lib/secrets
back=no
check="b2KeyId, b2ApplicationKey and b2Bucket" # what may be wrong

# What uses a file that differs between the two sets.
restart() {
  cmp -s "$kept.next/rclone.conf" "$kept/rclone.conf" || timeout 180 systemctl restart media.service || return
  # A library that could not be fetched, and Plex, which waits for it.
  if systemctl is-failed --quiet plex-library.service && ! diff -r "$kept.next" "$kept" >/dev/null; then
    systemctl start --no-block plex.service
  fi
}

fail() {
  if [ "$back" = yes ]; then
    mv --exchange --no-target-directory "$kept.next" "$kept"
    restart || :
  fi
  [ -e "$state/trial" ] || rm -rf "$kept.next"
  say "failed: $current: $*; the old set is in use. Check $check"
  exit 1
}

current=host
[ "$(cat /var/lib/host/stack)" = "$STACK" ] ||
  fail "this host belongs to the stack $(cat /var/lib/host/stack), not to $STACK"

# Its set may be waiting in $kept.next.
[ ! -e "$state/trial" ] ||
  fail "a change was left half done, and the host is about to go back by a reboot; try again after that"
# A run that was cut between trying and deciding.
if [ -e "$kept/.on-trial" ]; then
  mv --exchange --no-target-directory "$kept.next" "$kept"
fi
rm -rf "$kept.next"

same=no
! diff -r "$new" "$kept" >/dev/null 2>&1 || same=yes
# shellcheck source=/dev/null
had=$(. /etc/nixos/parameters && echo "$BUCKET")
if [ "$same$had" = "yes$BUCKET" ]; then
  say "done: unchanged"
  exit 0
fi

failed_units >"$FAILED_BEFORE"
step key 120 sh "$payload/host/opens.sh" "$new/rclone.conf" "b2:$BUCKET"
if [ -n "$BACKUP_BUCKET" ]; then
  check="backupKeyId, backupApplicationKey and backupBucket"
  step "the backups' key" 120 sh "$payload/host/opens.sh" "$new/backup.conf" "backup:$BACKUP_BUCKET"
fi
check="b2KeyId, b2ApplicationKey and b2Bucket"
cp -R "$new" "$kept.next"
if [ "$BUCKET" != "$had" ]; then
  sync
  say "done: the key opens $BUCKET; it is taken when the configuration changes to that bucket"
  exit 0
fi

: >"$kept.next/.on-trial"
sync
mv --exchange --no-target-directory "$kept.next" "$kept"
back=yes
current=restart
say "restart"
restart || fail "the mount does not start with it"
step library 14400 sh /etc/nixos/host/health.sh library
step health 900 sh /etc/nixos/host/health.sh service
rm -f "$kept/.on-trial"
rm -rf "$kept.next"
say "done: in place"
