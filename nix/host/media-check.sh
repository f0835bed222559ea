#!/bin/sh
# Whether the bucket is one that Plex may be shown: it opens, and it is not empty if it has ever held something.
# Usage: media-check.sh CONFIGURATION REMOTE:BUCKET    Status 3: it is not; 1: that cannot be told at present.
set -eu

held=/var/lib/media/held-${2#*:}
listing=$(mktemp -p "${RUNTIME_DIRECTORY:-/run}") # where there is room on a full disk, too
trap 'rm -f "$listing"' EXIT

status=0
sh "$(dirname "$0")/opens.sh" "$1" "$2" "$listing" || status=$?
[ "$status" = 0 ] || exit "$status"
if [ -s "$listing" ]; then
  # Made and never written to (-C): the folder is rclone's user's, root does this too, and a link there may lead anywhere.
  [ -e "$held" ] || { mkdir -p "$(dirname "$held")" && (set -C && : >"$held") 2>/dev/null; } ||
    echo "$held cannot be written"
elif [ -e "$held" ]; then
  reason="$2 has held something and is empty now, so Plex is not started: it would take all films for deleted."
  reason="$reason If that is meant: sudo media-refresh --emptied"
  echo "$reason"
  [ -z "${REASON:-}" ] || echo "$reason" >"$REASON"
  exit 3
fi
