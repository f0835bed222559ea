#!/bin/sh
# Says when Backblaze has lately refused something since a cap of the account is reached. Nobody else would: what is known
# of the bucket stays, and what is read ends in errors. Usage: caps.sh
set -eu

# As rclone ends a line with it, and as opens.sh goes on behind it. A file may be called like that, but its name is not the
# end. The mount is refreshed every 15 minutes.
codes=$(journalctl --quiet --output=cat --since=-20min -u media -u media-refresh -u media-watch -u 'plex-library*' |
  sed -n 's/.*(403 \([a-z]*_cap_exceeded\))\(\|\. Raise it on its page .*\)$/\1/p' | sort -u | paste -s -d , | sed 's/,/, /g')
[ -z "$codes" ] ||
  echo "Backblaze refuses what goes beyond a cap of your account ($codes). Raise it on its page Caps & Alerts; the counts" \
    "begin anew at 0:00 UTC"
