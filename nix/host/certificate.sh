#!/bin/sh
# Says when visitors do not get a good certificate, or will not for long. It is renewed from 30 days before its end,
# and while that fails nobody else notices. Usage: certificate.sh PARAMETERS
set -eu

# shellcheck source=/dev/null
. "$1"
order="journalctl -u acme-order-renew-$DOMAIN"

# What nginx has, and not what lies on the disk.
visit() {
  curl -q -sS --max-time 10 --output /dev/null --resolve "$DOMAIN:443:127.0.0.1" "$@" "https://$DOMAIN/" 2>/dev/null
}

# One that nobody could show just then, since the host is busy, is not one that is not trusted.
untrusted() {
  came=0
  visit || came=$?
  case $came in
    0 | 7 | 28) return 1 ;; # no connection, or no time
  esac
}

warn() {
  echo "certificate: warning: the certificate of $DOMAIN $*"
}

ends=$(visit --insecure --write-out '%{certs}' | sed -n 's/^Expire date: *//p' | head -n 1)
[ -n "$ends" ] || exit 0 # nobody answers, which others tell
seconds=$(($(date -d "$ends" +%s) - $(date +%s)))
date=$(date -u -d "$ends" +%Y-%m-%d)
if [ "$seconds" -lt 0 ]; then
  warn "has ended on $date, and could not be renewed; see $order"
elif untrusted; then
  warn "is not one that browsers trust; Let's Encrypt is asked again every 15 minutes, see $order"
elif [ "$seconds" -lt $((21 * 86400)) ]; then
  warn "ends on $date, and could not be renewed for some days; see $order"
fi
