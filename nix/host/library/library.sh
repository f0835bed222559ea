#!/bin/sh
# Plex's library and its backups: what an administrator runs as `sudo plex-library COMMAND`, and what the units do.
set -eu
umask 077

usage() {
  cat <<'END'
Usage: sudo plex-library COMMAND

  backup        back up the library now
  list          the backups, the newest last
  restore [ID]  put a backup in the place of the library, the newest unless told otherwise; what is there now is
                kept beside it until the next backup
  check         look through the repository for damage
  password      let this host in where the repository was made with another password
  sole-password take away every other password that opens the repository
  start-empty   begin a new library where none can be brought back
  warnings      what is wrong with the backups, one line each; nothing if all is well

Backups come by themselves, each night, and go to a new server by themselves.
END
}

case ${1:---help} in
  -h | --help | help)
    usage
    exit 0
    ;;
esac
if [ "$(id -u)" != 0 ]; then
  echo "plex-library: this takes root: sudo plex-library $*" >&2
  exit 1
fi

here=$(dirname "$0")
state=/var/lib/library
library='/var/lib/plex/Plex Media Server'
staging=$state/staging
record=      # where the result is written down
sentence=    # why it failed
way_out=     # and what can be done about it
work=$(mktemp -d)
mkdir -p "$state"

# fail STATUS SENTENCE. As in sysexits.h: 75 may pass by itself, 78 will not.
fail() {
  sentence=$2
  echo "plex-library: $2$way_out" >&2
  exit "$1"
}

at_exit() {
  status=$?
  trap '' TERM
  if [ "$status" != 0 ] && [ -n "$record" ]; then
    failed "${sentence:-it ended with status $status; its journal says more}"
  fi
  rm -rf "$work"
}
trap at_exit EXIT
trap 'exit 143' HUP INT TERM

# One at a time: a backup, a check, a restore.
hold() {
  exec 9>"$state/lock"
  flock -w 7200 9 || fail 75 "another backup, check or restore is still at work"
}

# Starts a unit, shows what it says, and ends as it ends. It goes on if this is interrupted.
follow() {
  journalctl --quiet --lines=1 --show-cursor --output=cat | sed -n 's/^-- cursor: //p' >"$work/cursor"
  (
    systemctl start "$1" 2>/dev/null || :
    : >"$work/ended"
  ) &
  until [ -e "$work/ended" ]; do
    sleep 0.5
    said_by "$1"
  done
  journalctl --sync
  said_by "$1"
  [ "$(systemctl show -P Result "$1")" = success ]
}

said_by() {
  journalctl --quiet --no-pager --output=cat --cursor-file="$work/cursor" "_SYSTEMD_UNIT=$1"
}

# shellcheck source=nix/host/library/repository.sh
. "$here/repository.sh"
# shellcheck source=nix/host/library/backup.sh
. "$here/backup.sh"
# shellcheck source=nix/host/library/restore.sh
. "$here/restore.sh"
# shellcheck source=nix/host/library/warnings.sh
. "$here/warnings.sh"

case $* in
  backup) follow plex-library-backup.service ;;
  list) list ;;
  restore | "restore "*)
    printf '%s\n' "${2:-}" >"$state/chosen"
    follow plex-library-restore.service
    ;;
  check) follow plex-library-check.service ;;
  password) password ;;
  sole-password) sole_password ;;
  start-empty) start_empty ;;
  warnings) warnings ;;
  # What the units do.
  "unit backup") backup ;;
  "unit check") check ;;
  "unit restore") restore ;;
  "unit begin") begin ;;
  "unit certificates") certificates ;;
  "unit guard") guard ;;
  *)
    usage >&2
    exit 64
    ;;
esac
