#!/bin/sh
# After a generation's first boot: makes it the default if the host is healthy.
#
# A host that cannot be reached reboots into the default, the last one that was known to boot. What may be the
# world's fault, a bucket that does not answer for example, is not worth that: Plex's databases would go back too.
set -eu

host=$(dirname "$0")
name=converge
work=/run/converge
# shellcheck source=nix/host/supervisor.sh
. "$host/supervisor.sh"

fail() {
  # What was well at first may have gone since, and have taken the rest along.
  if [ "$current" = host ] || ! timeout --kill-after=30 900 sh "$host/health.sh" host; then
    status failed "after its first boot: $*; rebooting into the generation before"
    say "failed: after its first boot: $*; rebooting into the generation before"
    systemctl reboot
  else
    status pending "after its first boot: $*; the next change, or upgrade, tries again"
    say "failed: after its first boot: $*; the generation before stays the default until a change succeeds"
  fi
  exit 1
}

step host 900 sh "$host/health.sh" host
step library 14400 sh "$host/health.sh" library
step service 900 sh "$host/health.sh" service
step default 600 sh "$host/default.sh" "$(readlink -f /run/booted-system)" ""
status converged "as its stack says"
say "done: $(readlink -f /run/booted-system) has booted, is healthy, and is the default"
