#!/bin/sh
# Tells whoever is at the address in curl's configuration what has gone wrong on this host, and when it is well again:
# a line each. What is gone by the next look is not told; what could not be told is told later.
# Usage: notify.sh CURL CERTIFICATE PARAMETERS CAPS: curl's configuration, certificate.sh with what it needs to know, caps.sh
set -eu

curl=$1
certificate=$2
# shellcheck source=/dev/null
. "$3"
cd "$STATE_DIRECTORY" # with what was told, and what the last look has seen
touch told seen

problems() {
  systemctl list-units --failed --plain --no-legend | cut -d ' ' -f 1 | while read -r unit; do
    echo "$unit has failed; see journalctl -u $unit"
  done
  for unit in sshd nginx plex-gate media plex; do
    # One that has failed is above.
    systemctl is-active --quiet "$unit" || systemctl is-failed --quiet "$unit" ||
      echo "$unit.service does not run; see journalctl -u $unit"
  done
  # With some files that a power cut leaves, it runs and never listens.
  ! systemctl is-active --quiet plex || curl -q -s --max-time 20 --output /dev/null http://127.0.0.1:32400/identity ||
    echo "plex.service runs, and nothing answers on port 32400; see journalctl -u plex"
  sh "$certificate" "$3" | sed 's/^certificate: warning: //'
  sh "$4"
}

# tell NAME lines of standard input, which from then on are told or not.
tell() {
  while IFS= read -r line; do
    printf '%s: %s%s\n' "$DOMAIN" "$1" "$line" | curl -q -fsS --max-time 20 --data-binary @- --config "$curl" >/dev/null
    case $1 in
      '') printf '%s\n' "$line" >>told ;;
      *)
        grep -vxF -e "$line" told >left || :
        mv left told
        ;;
    esac
  done
}

problems "$@" | sort -u >now
sort -u now seen >lately
comm -12 now seen >twice
mv now seen
sort -u told | comm -13 - twice >new
sort -u told | comm -23 - lately >gone
tell "" <new
tell "well again, after: " <gone
