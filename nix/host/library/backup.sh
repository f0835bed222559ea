# shellcheck shell=sh
# A backup, and the look through all of them. Sourced by library.sh.
: "${here:?}" "${state:?}" "${work:?}" "${library:?}" "${staging:?}" "${place:?}" "${LOCK_WAIT:=10m}"

# The result, in a file that is whole at every moment.
write_down() {
  cat >"$record.new"
  mv "$record.new" "$record"
}

# What the file has of the last good one stays.
failed() {
  { cat "$record" 2>/dev/null || echo '{}'; } |
    jq --arg sentence "$1" '. + {time: (now | todate), ok: false, $sentence}' | write_down
}

backup() {
  if [ ! -d "$library" ]; then
    echo "there is no library yet"
    return
  fi
  record=$state/last.json
  hold
  open
  may_write
  unlock
  identity
  copy
  save
  forget
  snapshots
  choose ""
  jq --arg sentence "$left" '(now | todate) as $time |
    {$time, ok: true, $sentence, good: $time, snapshot: .id, size}' "$work/chosen" | write_down
  rm -rf "$staging" "${aside:?}"
}

# Takes away what a process has left behind that is gone, and no other lock.
unlock() {
  ! grep -qx locks/ "$work/there" || ask unlock
}

# Plex's identity and owner have to be there: Plex writes that file in place, so that a power cut may leave it empty or cut.
# Plex's user may have made anything of it, so nothing here waits long for it, and nothing parses it.
identity() {
  at=$library/Preferences.xml
  [ -e "$at" ] || return 0
  for _ in 1 2 3; do
    begins=$(timeout 10 head -c 200 "$at" | tr -d '\0') || :
    ends=$(timeout 10 tail -c 200 "$at" | tr -d '\0 \n\r') || :
    case $begins:$ends in *"<Preferences"*":"*"/>" | *"<Preferences"*":"*"</Preferences>") return 0 ;; esac
    sleep 1
  done
  fail 75 "Plex's Preferences.xml, which says who Plex is and whose, is empty or cut, so there is no new backup, and \
the older ones stay. \`sudo systemctl restart plex\` puts the last good copy in its place, if there is one"
}

# The databases as they are at one moment, though Plex writes on, and what the backup is of.
copy() {
  rm -rf "$staging"
  mkdir -p "$staging/databases"
  for database in "$library/Plug-in Support/Databases"/*.db; do
    [ -f "$database" ] && [ ! -L "$database" ] || continue
    name=$(basename "$database")
    # Plex's user names what lies there, and SQLite reads the name within a command.
    case $name in *[!A-Za-z0-9._-]*) continue ;; esac
    # Within one transaction: else it would begin again with each change that Plex makes.
    sqlite3 -bail -batch -cmd '.timeout 60000' "$database" BEGIN 'SELECT count(*) FROM sqlite_schema' \
      ".backup '$staging/databases/$name'" >/dev/null 2>"$work/said" ||
      fail 75 "the database $name could not be copied: $(reason)"
    # SQLite copies damaged pages without a word.
    sh "$here/sound.sh" "$staging/databases/$name" || [ $? != 3 ] ||
      fail 78 "the database $name is damaged, so there is no new backup, and the older ones stay. \`sudo plex-library \
restore\` puts the newest in the place of the library"
  done
  jq -n --arg stack "$STACK" --arg nixpkgs "$NIXPKGS" --arg plex "$PLEX" \
    '{$stack, $nixpkgs, nixos: ($nixpkgs | capture("nixos-(?<release>[0-9]+[.][0-9]+)").release), $plex}' \
    >"$staging/record.json"
}

save() {
  set --
  for name in Cache Codecs 'Crash Reports' Diagnostics Logs Updates plexmediaserver.pid 'Plug-in Support/Caches' \
    'Plug-in Support/Databases/*.db' 'Plug-in Support/Databases/*.db-*'; do
    set -- "$@" --exclude "$library/$name"
  done
  set -- "$@" "$library" "$staging"
  [ ! -d /var/lib/acme ] || set -- "$@" /var/lib/acme
  status=0
  restic --retry-lock "$LOCK_WAIT" backup --host "$STACK" --tag "nixpkgs=$NIXPKGS" --tag "plex=$PLEX" "$@" \
    2>"$work/said" || status=$?
  cat "$work/said" >&2
  case $status in
    0) ;;
    # Plex has deleted files between the look at a folder and the look into it. Anything else matters.
    3) ! grep -E '^error: ' "$work/said" | grep -qv 'no such file or directory' ||
      fail 75 "the backup lacks what could not be read: $(grep -m 1 -E '^error: ' "$work/said")" ;;
    *) refused ;;
  esac
}

# Backups of seven days, five weeks and a year of months stay. That the others could not be taken away is said, and
# does not make the backup a bad one.
forget() {
  left=
  restic --retry-lock "$LOCK_WAIT" forget --host "$STACK" --group-by host --keep-daily 7 --keep-weekly 5 \
    --keep-monthly 12 --prune --quiet 2>"$work/said" || left="old backups could not be taken away: $(reason)"
  cat "$work/said" >&2
}

# Structure and record of everything, and of the data a part: the one after that of the last check, so that all of it
# has been read after 52 of them, whatever weeks they were made in. After a failure it is the same part again.
check() {
  record=$state/check.json
  hold
  reach
  if [ ! -s "$work/there" ]; then
    echo "there are no backups at $place yet"
    return
  fi
  unlock
  part=$(jq '(.part // 0) % 52 + 1' "$record" 2>/dev/null) || :
  ask --retry-lock "$LOCK_WAIT" check --read-data-subset "${part:=1}/52"
  jq -n --argjson part "$part" '{time: (now | todate), ok: true, sentence: "", $part}' | write_down
}
