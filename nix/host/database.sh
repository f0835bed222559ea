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

# files FOLDER [EXPRESSION…]: the databases with their logs; not the dated copies that Plex makes itself. Plex's user
# names what lies there: whatever has a character that Plex's own names have not is left alone, so that no name can
# mean anything to the commands below.
files() {
  folder=$1
  shift
  LC_ALL=C find "$folder" -maxdepth 1 -type f \( -name '*.db' -o -name '*.db-wal' -o -name '*.db-shm' \) \
    ! -name '*[!A-Za-z0-9._-]*' "$@"
}

# Whether the folder is Plex's own. Plex's user could put a link in its place, and it would be somebody else's.
# Plex does not run then, and can change that no more.
in_place() {
  [ "$(readlink -e "$databases")" = "$(readlink -e /var/lib/plex)${databases#/var/lib/plex}" ]
}

# Until this ends, nobody starts Plex again: the mount would, when it has been away.
stop_plex() {
  : >"$held"
  systemctl stop plex.service
}

# damaged prints the databases whose pages are damaged. Plex, whose files they are, does not run; as its user, a file
# that was made to deceive SQLite deceives nobody else.
damaged() {
  files "$databases" -name '*.db' | while read -r file; do
    setpriv --reuid=plex --regid=plex --clear-groups --no-new-privs sh -s -- "$file" \
      <"$(dirname "$0")/library/sound.sh" >&2 || [ $? != 3 ] || echo "${file##*/}"
  done
}

plex_of() {
  grep '^ExecStart=' "$1/etc/systemd/system/plex.service"
}

# bring FILE of a copy into place, over whatever is there: Plex's user may have made it a folder.
bring() {
  [ ! -d "$databases/${1##*/}" ] || rm -rf "${databases:?}/${1##*/}"
  mv -f "$1" "$databases/"
}

# put_back COPY brings it into place, and goes on where it was cut short. What is there is set aside. Everything is
# moved and nothing copied: the disk may be full, by a migration perhaps.
put_back() {
  [ -d "$1" ] || return 0
  stop_plex
  if ! in_place; then
    rm -rf "$1.left"
    mv "$1" "$1.left"
    echo "database: warning: $databases is a link, or missing; Plex's databases from before the change stay in $1.left"
    return
  fi
  if [ ! -e "$1/.aside" ]; then
    mkdir -p "$1.newer"
    files "$databases" -exec mv -n -t "$1.newer" -- {} +
    sync
    : >"$1/.aside"
  fi
  # A log of one database applied to another would be its end: what is there by now goes first, and a log comes last.
  files "$1" -name '*.db' | while read -r file; do
    rm -rf "$databases/${file##*/}-wal" "$databases/${file##*/}-shm"
    bring "$file"
  done
  files "$1" | while read -r file; do bring "$file"; done
  sync
  rm -rf "$1"
  echo "database: Plex's databases are those from before the change; the later ones are in $1.newer"
}

# copy OLD NEW [anyway, if it is damaged]
copy() {
  [ -d "$databases" ] && [ "$(plex_of "$1")" != "$(plex_of "$2")" ] || exit 0
  needed=$(files "$databases" -printf '%k\n' | awk '{ kib += $1 } END { print int((kib + 1023) / 1024) }')
  free=$(df -m --output=avail /var/lib/converge | tail -n 1 | tr -d " ")
  if [ "$free" -lt $((needed + 500)) ]; then
    echo "Plex changes, and a copy of its databases takes $needed MB, but only $free MB are free" |
      tee "${REASON:-/dev/null}"
    exit 1
  fi
  echo "database: Plex changes; stopping it to copy $needed MB of databases"
  stop_plex
  rm -rf "$trial" "$trial.new" "$trial.newer"
  if ! in_place; then
    echo "database: warning: $databases is a link, and is not followed; there is no copy for a way back"
    return
  fi
  bad=$(damaged | head -n 1)
  if [ -n "$bad" ]; then
    echo "Plex changes, and would change its databases, but $bad is damaged. \`sudo plex-library restore\` puts the newest \
backup in the place of the library" | tee "${REASON:-/dev/null}"
    [ -n "${3:-}" ] || exit 1
  fi
  mkdir -m 700 "$trial.new"
  files "$databases" -exec cp -p -t "$trial.new" -- {} +
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
      copy "$2" "$3" anyway # it has booted
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
    find "$kept" "$kept.newer" "$kept.left" "$trial.newer" "$trial.left" -maxdepth 0 -mtime +7 \
      -exec rm -rf {} + 2>/dev/null || :
    ;;
esac
