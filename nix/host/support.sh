#!/bin/sh
# Says when this host's release gets no more updates: a notice from 30 days before, a warning once it is over. For
# what runs without the program, which says it in a change. Usage: support.sh PARAMETERS
set -eu

# shellcheck source=/dev/null
. "$1"

day() {
  echo $(($(date -u -d "$1" +%s) / 86400))
}

left=$(($(day "$SUPPORT_ENDS") - $(day now)))
what_to_do="Set nixosRelease to the next release, and run pulumi up."
if [ "$left" -lt 0 ]; then
  echo "support: warning: NixOS $RELEASE has had no updates since $SUPPORT_ENDS, none for security either. $what_to_do"
elif [ "$left" -le 30 ]; then
  case $left in
    0) when=today ;;
    1) when="in 1 day" ;;
    *) when="in $left days" ;;
  esac
  echo "support: notice: NixOS $RELEASE gets its last updates on $SUPPORT_ENDS, $when. $what_to_do"
fi
