#!/bin/sh
# What a boot has to settle before Plex and the mount start: a change that was on trial when the host went down,
# and a generation that was to be booted once.
set -eu

host=$(dirname "$0")
name=converge
work=/run/converge
# shellcheck source=nix/host/supervisor.sh
. "$host/supervisor.sh"

booted=$(readlink -f /run/booted-system)
roots=/nix/var/nix/gcroots/converge

if [ -e "$state/trial" ]; then
  # shellcheck source=/dev/null
  . "$state/trial"
  if [ "$booted" = "${new:?}" ]; then
    # The power failed after it had become the default.
    sh "$host/accept.sh" "${configuration:?}" "${nixpkgs:?}"
    status converged "as its stack says"
  else
    sh "$host/trial.sh" lost
    status failed "the host went down while a change was on trial; it is back on the generation before"
    say "the host went down while a change was on trial; it is back on the generation before"
  fi
elif [ -e /var/lib/secrets/.on-trial ]; then
  mv --exchange --no-target-directory /var/lib/secrets.next /var/lib/secrets
  rm -rf /var/lib/secrets.next
  say "the host went down while secrets were on trial; the old ones are back"
fi

[ -L "$roots/pending" ] || exit 0
pending=$(readlink -f "$roots/pending")
if [ "$booted" = "$pending" ]; then
  if [ -e "$state/copy-at-boot" ]; then
    sh "$host/database.sh" copy-at-boot "$(readlink -f "$roots/default")" "$booted" ||
      say "warning: should this generation not stay up, Plex's databases cannot go back with it"
    rm -f "$state/copy-at-boot"
  fi
  systemd-run --quiet --collect --unit=nixos-rebuild-switch-to-configuration --service-type=exec \
    --property=OOMScoreAdjust=-100 --property=OOMPolicy=continue \
    --setenv=PATH="$PATH" sh "$host/booted.sh"
# GRUB forgets what is to be booted once, but not that there is such a variable.
elif ! grub-editenv /boot/grub/grubenv list | grep -q '^next_entry=.'; then
  sh "$host/database.sh" fall-back
  mv -T "$roots/pending" "$roots/failed"
  status failed "$pending was booted once, and did not stay up; the host is back on $booted"
  say "$pending was booted once, and did not stay up; the host is back on $booted"
fi
