#!/bin/sh
# Plex's databases move one way: a newer Plex changes them, and an older one cannot open them after that.
#
# Usage: database.sh copy OLD NEW   before NEW is activated, if its Plex is another than OLD's
#        database.sh put-back       when the change has failed
#        database.sh keep           when it is accepted: the copy stays for a while
#        database.sh settled        when what is accepted has proved that it boots
#        database.sh fall-back      when the host has booted what was there before an accepted change
#        database.sh copy-at-boot OLD NEW   when a change comes with its first boot, as a whole
#        database.sh forget         copies that are older than a week, if Plex is well
set -eu

databases='/var/lib/plex/Plex Media Server/Plug-in Support/Databases'
trial=/var/lib/converge/database.trial # of a change that is being made
kept=/var/lib/converge/database.kept   # of the last one that was accepted
held=/run/plex-databases               # see plex.nix
trap 'rm -f "$held"' EXIT
trap 'exit 1' HUP INT TERM

# The databases with their logs; not the dated copies that Plex makes itself.
files() {
  find "$1" -maxdepth 1 -type f \( -name '*.db' -o -name '*.db-wal' -o -name '*.db-shm' \)
}

# Until this ends, nobody starts Plex again: the mount would, when it has been away.
stop_plex() {
  : >"$held"
  systemctl stop plex.service
}

plex_of() {
  grep '^ExecStart=' "$1/etc/systemd/system/plex.service"
}

# put_back COPY brings it into place, and goes on where it was cut short. What is there is set aside. Everything is
# moved and nothing copied: the disk may be full, by a migration perhaps.
put_back() {
  [ -d "$1" ] || return 0
  stop_plex
  if [ ! -e "$1/.aside" ]; then
    mkdir -p "$1.newer"
    files "$databases" | while read -r file; do mv -n "$file" "$1.newer/"; done
    sync
    : >"$1/.aside"
  fi
  # A log of one database applied to another would be its end: what is there by now goes first, and a log comes last.
  find "$1" -name '*.db' | while read -r file; do
    rm -f "$databases/${file##*/}-wal" "$databases/${file##*/}-shm"
    mv -f "$file" "$databases/"
  done
  files "$1" | while read -r file; do mv -f "$file" "$databases/"; done
  sync
  rm -rf "$1"
  echo "database: Plex's databases are those from before the change; the later ones are in $1.newer"
}

# copy OLD NEW
copy() {
  [ -d "$databases" ] && [ "$(plex_of "$1")" != "$(plex_of "$2")" ] || exit 0
  needed=$(files "$databases" | xargs -d '\n' -r du -cm | tail -n 1 | cut -f 1)
  free=$(df -m --output=avail /var/lib/converge | tail -n 1 | tr -d " ")
  if [ "$free" -lt $((${needed:-0} + 500)) ]; then
    echo "Plex changes, and a copy of its databases takes $needed MB, but only $free MB are free" |
      tee "${REASON:-/dev/null}"
    exit 1
  fi
  echo "database: Plex changes; stopping it to copy ${needed:-0} MB of databases"
  stop_plex
  rm -rf "$trial" "$trial.new" "$trial.newer"
  mkdir -m 700 "$trial.new"
  files "$databases" | while read -r file; do cp -p "$file" "$trial.new/"; done
  sync
  mv "$trial.new" "$trial"
}

# What waits for its first boot may fall back to the generation that an older copy is of, over all changes since.
keep() {
  [ -d "$trial" ] || return 0
  if [ -e "$kept/.waits" ]; then
    rm -rf "$trial"
    return
  fi
  [ ! -L /nix/var/nix/gcroots/converge/pending ] || : >"$trial/.waits"
  rm -rf "$kept" "$kept.newer"
  mv "$trial" "$kept"
  touch "$kept"
}

case $1 in
  copy) copy "$2" "$3" ;;
  copy-at-boot)
    [ -e "$kept/.waits" ] || {
      copy "$2" "$3"
      keep
    }
    ;;
  put-back)
    rm -rf "$trial.new" # a copy that was cut short
    put_back "$trial"
    ;;
  keep) keep ;;
  settled) rm -f "$kept/.waits" ;;
  fall-back) put_back "$kept" ;;
  forget)
    systemctl is-active --quiet plex.service || exit 0
    find "$kept" "$kept.newer" "$trial.newer" -maxdepth 0 -mtime +7 -exec rm -rf {} + 2>/dev/null || :
    ;;
esac
