# shellcheck shell=sh
# The way back of a library: onto a new server before Plex first starts, or in the place of the one that is there.
# Sourced by library.sh.
: "${state:?}" "${work:?}" "${library:?}" "${staging:?}" "${place:?}"

# The first two are not in Plex's folder, whose owner could put links in their place while root writes there.
beside=/var/lib/.restoring    # perhaps half of a library
whole=/var/lib/.restored      # a whole one
aside=/var/lib/plex/.replaced # what was there before a restore, in a folder of its time
needed=                       # where the nixpkgs is written that the host has to have first
brought="\`pulumi up\` brings the host there first, and then the library comes back"

# What plex-library.service does: afterwards there is a library, or Plex may begin one.
begin() {
  # shellcheck disable=SC2034 # every sentence of `fail` ends with it
  way_out=". Plex does not start without its library; \`sudo plex-library start-empty\` begins a new one on purpose"
  needed=$state/needs-nixpkgs
  [ -e "$state/since" ] || : >"$state/since"
  if [ -d "$library" ]; then
    rm -rf "$beside" "$whole"
    echo "the library is here"
  elif [ -d "$whole" ]; then
    put_in_place
  else
    open
    [ -e "$work/snapshots" ] || snapshots
    if [ -s "$work/snapshots" ]; then
      choose ""
      new_enough "$brought"
      fetch
      put_in_place
    else
      echo "there is no backup at $place: Plex begins a new library"
    fi
  fi
  rm -f "$needed"
}

# What plex-library-restore.service does. Plex goes on until the backup has arrived as a whole.
restore() {
  hold
  asked_for=$(cat "$state/chosen")
  reach
  [ -s "$work/there" ] || fail 78 "there are no backups at $place yet"
  snapshots
  choose "$asked_for"
  new_enough "Bring the host there first: \`sudo systemctl start upgrade\`, or \`make pins RELEASE=…\` with your stack's release and \`pulumi up\`"
  fetch
  systemctl stop plex.service
  put_in_place
  systemctl start plex.service
}

# new_enough ADVICE: whether this host is at least what the chosen backup was made with. The newer nixpkgs that it
# takes is written down for `pulumi up`, if the host has no library without it.
new_enough() {
  theirs=$(field nixpkgs)
  status=0
  jq -en --arg theirs "$theirs" --arg ours "$NIXPKGS" '
    def parts: capture("^nixos-(?<year>[0-9]+)[.](?<month>[0-9]+)[.]?[a-z]*(?<number>[0-9]+)[.][0-9a-z]+$") |
      [.year, .month, .number] | map(tonumber);
    ($theirs | parts) > ($ours | parts)' >"$work/newer" || status=$?
  case $status in
    1) ;;
    0)
      [ -z "$needed" ] || printf '%s\n' "$theirs" >"$needed"
      fail 78 "the backup $(field id) was made under $theirs, and this host has $NIXPKGS: a newer Plex may have \
changed its databases. $1"
      ;;
    *) fail 78 "the backup $(field id) names no release of NixOS's: $theirs" ;;
  esac
  [ "$(printf '%s\n' "$PLEX" "$(field plex)" | sort -V | tail -n 1)" = "$PLEX" ] ||
    fail 78 "the backup $(field id) is of Plex $(field plex), and this host has $PLEX, which cannot open its \
databases. $1"
}

# What plex.service does before Plex starts, since a host may go back to what it had before the library came.
guard() {
  needed=$state/needs-nixpkgs
  if [ -s "$state/restored.json" ]; then
    cp "$state/restored.json" "$work/chosen"
    new_enough "$brought"
  fi
  rm -f "$needed"
}

# Brings the chosen backup onto this host, as a whole or not at all.
fetch() {
  size=$(($(field size) / 1000000 + 1))
  rm -rf "$beside" "$whole"
  free=$(($(df --block-size=1 --output=avail /var/lib/plex | tail -n 1) / 1000000))
  [ "$free" -gt $((size + 100)) ] || fail 78 "the backup $(field id) has $size MB, and $free MB are free"
  echo "restoring the backup $(field id) of $(field time), $size MB"
  ask --no-lock restore --verify --target "$beside" "$(field id):$library"
  # What Plex's user made links of is in the backup as links.
  for folder in "$beside/Plug-in Support" "$beside/Plug-in Support/Databases"; do
    [ ! -L "$folder" ] || rm "$folder"
  done
  ask --no-lock restore --verify --target "$beside/Plug-in Support/Databases" "$(field id):$staging/databases"
  chmod 755 "$beside"
  chown -R plex:plex "$beside"
  cp "$work/chosen" "$state/restored.json"
  sync # before its name says that it is whole
  mv "$beside" "$whole"
}

put_in_place() {
  if [ -d "$library" ]; then
    # Its owner may have put a link there, or a folder of its own.
    [ ! -L "$aside" ] && [ "$(stat -c %u "$aside" 2>/dev/null)" = 0 ] || rm -rf "$aside"
    mkdir -p "$aside"
    mv "$library" "$aside/$(date +%FT%H%M%SZ)"
    echo "what was there is in $aside until the next backup"
  fi
  mv "$whole" "$library"
  sync
  echo "the library is in its place"
}

# What plex-library-certificates.service does: a new server orders none that it has had.
certificates() {
  if [ -n "$(ls -A /var/lib/acme 2>/dev/null)" ]; then
    return
  fi
  reach
  [ -s "$work/there" ] || return 0
  snapshots
  [ -s "$work/snapshots" ] || return 0
  choose ""
  jq -e '.paths | index("/var/lib/acme")' "$work/chosen" >/dev/null || return 0
  new=/var/lib/.acme
  rm -rf "$new"
  ask --no-lock restore --verify --target "$new" "$(field id):/var/lib/acme"
  chmod 755 "$new"
  chown -R acme:acme "$new"
  sync
  rm -rf /var/lib/acme
  mv "$new" /var/lib/acme
}

start_empty() {
  [ ! -d "$library" ] || fail 78 "there is a library already, in $library"
  install -d -m 700 -o plex -g plex /var/lib/plex
  setpriv --reuid=plex --regid=plex --clear-groups mkdir -m 700 "$library" # where only Plex's user can lead it
  rm -f "$state/needs-nixpkgs"
  systemctl start --no-block plex.service
  echo "Plex begins a new library. The backups at $place stay for as long as any: \`sudo plex-library list\`"
}
