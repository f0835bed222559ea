#!/bin/sh
# Run every few seconds while a change is on trial: should the supervisor be gone, or not be done by DEADLINE
# (seconds since 1970), the host reboots into its default, which is the generation before.
# Usage: guard.sh DEADLINE
set -eu

[ -e /var/lib/converge/trial ] || exit 0
if [ "$(date +%s)" -lt "$1" ]; then
  # No answer is none: systemd may be busy.
  case $(systemctl is-active nixos-rebuild-switch-to-configuration 2>/dev/null || :) in
    inactive | failed) ;;
    *) exit 0 ;;
  esac
fi
echo "converge: the supervisor is gone, or stuck, in the middle of a change: rebooting into the generation before"
systemctl reboot
