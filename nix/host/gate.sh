#!/bin/sh
# Keeps /run/plex-gate/open in place while Plex is claimed. Claimed is a token in Preferences.xml and
# Plex saying so itself; in any doubt the file goes. Keeps a copy of Preferences.xml, too, in which Plex's identity and
# owner are: a power cut may leave the file empty or cut, and plex-settings.sh then puts the copy in its place.
set -eu

preferences='/var/lib/plex/Plex Media Server/Preferences.xml'
open=/run/plex-gate/open
kept=/var/lib/plex-gate/Preferences.xml

claimed() {
  grep -q ' PlexOnlineToken="[^"]' "$preferences" 2>/dev/null &&
    curl -fsS --max-time 5 http://127.0.0.1:32400/identity 2>/dev/null | grep -q ' claimed="1"'
}

keep() {
  cmp -s "$preferences" "$kept" || {
    cp "$preferences" "$kept.new" &&
      xmlstarlet sel -Q -t -c "/Preferences[@ProcessedMachineIdentifier]" "$kept.new" &&
      sync "$kept.new" &&
      mv "$kept.new" "$kept"
  } 2>/dev/null
}

while :; do
  if claimed; then
    [ -e "$open" ] || echo "claimed: open"
    : >"$open"
  elif [ -e "$open" ]; then
    echo "not claimed, or in doubt: closed"
    rm -f "$open"
  fi
  keep || : # Plex may be writing it
  sleep 2
done
