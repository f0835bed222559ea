#!/bin/sh
# Keeps /run/plex-gate/open in place while Plex is claimed. Claimed is a token in Preferences.xml and
# Plex saying so itself; in any doubt the file goes.
set -eu

preferences='/var/lib/plex/Plex Media Server/Preferences.xml'
open=/run/plex-gate/open

claimed() {
  grep -q ' PlexOnlineToken="[^"]' "$preferences" 2>/dev/null &&
    curl -fsS --max-time 5 http://127.0.0.1:32400/identity 2>/dev/null | grep -q ' claimed="1"'
}

while :; do
  if claimed; then
    [ -e "$open" ] || echo "claimed: open"
    : >"$open"
  elif [ -e "$open" ]; then
    echo "not claimed, or in doubt: closed"
    rm -f "$open"
  fi
  sleep 2
done
