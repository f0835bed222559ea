#!/bin/sh
# The supervisor of one change: from a configuration to a generation that is healthy, acknowledged and the
# boot default, or back to the generation before. It runs in a unit of its own and outlives SSH sessions.
#
# Usage: converge.sh              /etc/nixos.next, which `pulumi up` has put there
#        converge.sh NIXPKGS      the configuration as it is with a newer nixpkgs; nobody acknowledges
set -eu

upgrade=${1:-}
name=converge
work=/run/converge
next=/etc/nixos.next
if [ -n "$upgrade" ]; then
  next=/etc/nixos
  # What an earlier session left there is about another change.
  rm -rf "$work"
  mkdir -p "$work"
  echo "an automatic upgrade" >/run/converge.who
fi
# shellcheck source=/dev/null
. "$next/parameters"
# shellcheck source=nix/host/supervisor.sh
. "$next/host/supervisor.sh"

old=$(readlink -f /run/current-system)
new=
decided=no # whether the new generation is what boots

fail() {
  if [ "$decided" = yes ]; then
    status failed "$current: $*; the new generation is the boot default nevertheless"
    say "failed: $current: $*; the new generation is the boot default nevertheless, and \`pulumi up\` goes on from there"
    exit 1
  elif [ ! -e "$state/trial" ]; then
    status failed "$current: $*; the host is as it was"
    say "failed: $current: $*; the host is as it was"
    exit 1
  fi
  say "step $current failed: $*"
  say "going back to $old"
  rm -f "$work/acknowledged" # one that comes now is too late
  timeout --kill-after=30 1200 sh "$next/host/trial.sh" back || {
    status failed "$current: $*; going back failed, so the host reboots into the generation before"
    say "failed: $current: $*; going back failed too, so the host reboots into the generation before"
    systemctl reboot
    exit 1
  }
  status failed "$current: $*; the host is back on the generation before"
  [ -n "$upgrade" ] || : >"$work/unreported"
  say "failed: $current: $*; the host is back on the generation before"
  exit 1
}

current=host
[ "$(cat /var/lib/host/stack)" = "$STACK" ] ||
  fail "this host belongs to the stack $(cat /var/lib/host/stack), not to $STACK"

# What a boot has found, nobody was told: there was no connection.
failed=$(jq -r 'select(.state == "failed") | .message' "$state/status.json" 2>/dev/null || :)
[ -z "$failed" ] || say "the last change has failed: $failed"

# A supervisor that died, and nobody has rebooted since.
if [ -e "$state/trial" ]; then
  say "an earlier change was left half done; going back to the generation before it"
  step recover 1200 sh "$next/host/trial.sh" back
  old=$(readlink -f /run/current-system)
fi

failed_units >"$FAILED_BEFORE"

current=space
free_megabytes=$(df -m --output=avail /nix/store | tail -n 1)
if [ "$free_megabytes" -lt 2000 ]; then
  say "space: $free_megabytes MB are free; collecting generations that are older than a week"
  step space 600 nix-collect-garbage --quiet --delete-older-than 7d
  free_megabytes=$(df -m --output=avail /nix/store | tail -n 1)
  [ "$free_megabytes" -ge 1000 ] || fail "only $free_megabytes MB are free in /nix/store; 1000 are needed"
fi

# The release of a nixpkgs, and its number within that release: of nixos-26.05.4193.a50de1b7d8a5, 26.05 and 4193.
release() {
  basename "$1" | sed 's/^nixos-//' | cut -d . -f 1-2
}
number() {
  basename "$1" | cut -d . -f 3
}

nixpkgs=$(readlink -f /var/lib/nixpkgs/current)
wanted=${upgrade:-/var/lib/nixpkgs/$(basename "$(dirname "$NIXPKGS_URL")")}
url=$NIXPKGS_URL
sha256=$NIXPKGS_SHA256
current=nixpkgs
# A library that was backed up under a newer Plex cannot be restored before that one is here.
needs=$(cat /var/lib/library/needs-nixpkgs 2>/dev/null || :)
if [ -n "$needs" ] && [ "$(release "$needs")" != "$RELEASE" ]; then
  fail "the library's backup was made with NixOS $(release "$needs"): set nixosRelease to \"$(release "$needs")\""
elif [ -n "$needs" ] && [ "$(number "$needs")" -gt "$(number "$wanted")" ]; then
  say "nixpkgs: the library's backup was made with $needs, so this host gets that"
  wanted=/var/lib/nixpkgs/$needs
  url=$(dirname "$(dirname "$NIXPKGS_URL")")/$needs/nixexprs.tar.xz
  sha256= # nobody has written it down; as with an upgrade, HTTPS vouches for it
fi
# Never back: a newer Plex has changed its database, which an older one cannot open.
has=$(release "$nixpkgs")
wants=$(release "$wanted")
if [ "$(echo "$wants" | tr -d .)" -lt "$(echo "$has" | tr -d .)" ]; then
  fail "this host has NixOS $has, and does not go back to $wants: set nixosRelease to \"$has\" again"
elif [ "$wants" = "$has" ] && [ "$(number "$wanted")" -lt "$(number "$nixpkgs")" ]; then
  say "nixpkgs: an upgrade has brought this host to $(basename "$nixpkgs") already"
else
  nixpkgs=$wanted
  [ -n "$upgrade" ] || step nixpkgs 1000 sh "$next/host/nixpkgs.sh" /var/lib/nixpkgs "$url" "$sha256"
fi

nix_step build 3600 nix-build --quiet '<nixpkgs/nixos>' -A system --out-link "$work/result" \
  -I "nixpkgs=$nixpkgs" -I "nixos-config=$next/configuration.nix"
new=$(readlink -f "$work/result")

current=changes
[ -n "$upgrade" ] || timeout 60 diff -ru /etc/nixos "$next" || :
if [ "$new" = "$old" ]; then
  say "changes: none in the system"
else
  timeout 60 nix --extra-experimental-features nix-command store diff-closures "$old" "$new" || :
fi

unit=etc/systemd/system/media.service
if [ -e "$old/$unit" ] && ! cmp -s "$old/$unit" "$new/$unit"; then
  say "changes: the mount starts again, and Plex with it; $(timeout 60 sh "$next/host/open-files.sh")"
fi

# Whether any of it can be had without a boot, and what only a boot can test.
live=yes
if [ -e "$old/init-interface-version" ] && ! cmp -s "$old/init-interface-version" "$new/init-interface-version"; then
  live=no
fi
# As switch-to-configuration has it: what both name, and is another.
if [ -e "$old/switch-inhibitors" ] && [ -e "$new/switch-inhibitors" ] &&
  jq -en --slurpfile old "$old/switch-inhibitors" --slurpfile new "$new/switch-inhibitors" \
    '$new[0] | to_entries | any(.key as $key | .value as $value | $old[0] | has($key) and .[$key] != $value)' >/dev/null; then
  live=no
fi

boot=$(sh "$next/host/boot-differs.sh" "$new" | paste -s -d , | sed 's/,/, /g')
[ "$live" = yes ] || boot="${boot:+$boot, }what cannot be changed while it runs"

if [ "$new" != "$old" ] && [ "$live" = yes ]; then
  step trial 60 sh "$next/host/trial.sh" begin "$old" "$new" "$next" "$nixpkgs" "$ACKNOWLEDGE_SECONDS"
  step database 1800 sh "$next/host/database.sh" copy "$old" "$new"
  # Status 4 is a unit that failed, a certificate's order for example. Health says whether it matters.
  # shellcheck disable=SC2016 # expanded by the shell inside
  step activate 600 sh -c '"$1"/bin/switch-to-configuration test || [ $? = 4 ]' sh "$new"
fi
if [ "$live" = yes ]; then
  step library 14400 sh "$next/host/health.sh" library
  step health 900 sh "$next/host/health.sh" host service
fi

if [ -e "$state/trial" ] && [ -z "$upgrade" ]; then
  current=acknowledge
  status waiting "healthy; a second connection has $ACKNOWLEDGE_SECONDS s to acknowledge"
  say "waiting: healthy; a second connection has $ACKNOWLEDGE_SECONDS s to acknowledge"
  deadline=$(($(date +%s) + ACKNOWLEDGE_SECONDS))
  until [ -e "$work/acknowledged" ]; do
    [ "$(date +%s)" -lt "$deadline" ] ||
      fail "no second connection came within $ACKNOWLEDGE_SECONDS s"
    sleep 0.2
  done
  say "acknowledged"
fi

step default 600 sh "$next/host/default.sh" "$new" "$boot"
decided=yes
# A Plex that comes with a boot comes before anybody could copy its databases.
rm -f "$state/copy-at-boot"
[ "$live" = yes ] || : >"$state/copy-at-boot"
step accept 300 sh "$next/host/accept.sh" "$next" "$nixpkgs"
[ "$live" = no ] || timeout 60 sh /etc/nixos/host/database.sh forget
if [ -z "$boot" ]; then
  status converged "as its stack says"
  say "done: $new is the boot default"
else
  status pending "the next reboot tries $new once, and makes it the default if it is healthy"
  say "done: the next reboot tries $new once, and makes it the default if it is healthy"
fi
