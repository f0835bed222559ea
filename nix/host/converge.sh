#!/bin/sh
# The supervisor of one change: from a configuration to a generation that is healthy, acknowledged and the
# boot default, or back to the generation before. It runs in a unit of its own and outlives SSH sessions.
#
# Usage: converge.sh              /etc/nixos.next, which `pulumi up` has put there
#        converge.sh NIXPKGS      the configuration as it is with a newer nixpkgs; nobody acknowledges
set -eu

upgrade=${1:-}
next=/etc/nixos.next
work=/run/converge
if [ -n "$upgrade" ]; then
  next=/etc/nixos
  # What an earlier session left there is about another change.
  rm -rf "$work"
  mkdir -p "$work"
fi
profile=/nix/var/nix/profiles/system
# shellcheck source=/dev/null
. "$next/parameters"

old=$(readlink -f /run/current-system)
new=
activated=no

say() {
  echo "converge: $*"
}

fail() {
  say "step $current failed: $*"
  if [ "$activated" = yes ]; then
    say "going back to $old"
    "$old/bin/switch-to-configuration" test || say "going back had errors; see above"
    [ -n "$upgrade" ] || : >"$work/unreported"
    say "failed: $current: $*; the host is back on the generation before"
  else
    say "failed: $current: $*; the host is as it was"
  fi
  exit 1
}

# step NAME SECONDS COMMAND… runs one step with its deadline.
step() {
  current=$1
  seconds=$2
  shift 2
  say "$current"
  status=0
  timeout --kill-after=30 "$seconds" "$@" || status=$?
  case $status in
    0) ;;
    124 | 137) fail "took longer than $seconds s" ;;
    *) fail "ended with status $status; see above" ;;
  esac
}

current=host
[ "$(cat /var/lib/host/stack)" = "$STACK" ] ||
  fail "this host belongs to the stack $(cat /var/lib/host/stack), not to $STACK"

current=space
free_megabytes=$(df -m --output=avail /nix/store | tail -n 1)
if [ "$free_megabytes" -lt 2000 ]; then
  say "space: $free_megabytes MB are free; collecting generations that are older than a week"
  step space 600 nix-collect-garbage --quiet --delete-older-than 7d
  free_megabytes=$(df -m --output=avail /nix/store | tail -n 1)
  [ "$free_megabytes" -ge 1000 ] || fail "only $free_megabytes MB are free in /nix/store; 1000 are needed"
fi

sh "$next/host/support.sh" "$next/parameters"

# The release of a nixpkgs, and its number within that release: of nixos-26.05.4193.a50de1b7d8a5, 26.05 and 4193.
release() {
  basename "$1" | sed 's/^nixos-//' | cut -d . -f 1-2
}
number() {
  basename "$1" | cut -d . -f 3
}

nixpkgs=$(readlink -f /var/lib/nixpkgs/current)
wanted=${upgrade:-/var/lib/nixpkgs/$(basename "$(dirname "$NIXPKGS_URL")")}
# Never back: a newer Plex has changed its database, which an older one cannot open.
current=nixpkgs
has=$(release "$nixpkgs")
wants=$(release "$wanted")
if [ "$(echo "$wants" | tr -d .)" -lt "$(echo "$has" | tr -d .)" ]; then
  fail "this host has NixOS $has, and does not go back to $wants: set nixosRelease to \"$has\" again"
elif [ "$wants" = "$has" ] && [ "$(number "$wanted")" -lt "$(number "$nixpkgs")" ]; then
  say "nixpkgs: an upgrade has brought this host to $(basename "$nixpkgs") already"
else
  nixpkgs=$wanted
  [ -n "$upgrade" ] ||
    step nixpkgs 1000 sh "$next/host/nixpkgs.sh" /var/lib/nixpkgs "$NIXPKGS_URL" "$NIXPKGS_SHA256"
fi

step build 3600 nix-build --quiet '<nixpkgs/nixos>' -A system --out-link "$work/result" \
  -I "nixpkgs=$nixpkgs" -I "nixos-config=$next/configuration.nix"
new=$(readlink -f "$work/result")

current=changes
[ -n "$upgrade" ] || diff -ru /etc/nixos "$next" || :
if [ "$new" = "$old" ]; then
  say "changes: none in the system"
else
  nix --extra-experimental-features nix-command store diff-closures "$old" "$new" || :
fi

if [ "$new" != "$old" ]; then
  activated=yes
  # Status 4 is a unit that failed, a certificate's order for example. Health says whether it matters.
  # shellcheck disable=SC2016
  step activate 600 sh -c '"$1"/bin/switch-to-configuration test || [ $? = 4 ]' sh "$new"
fi

step health 600 sh "$next/host/health.sh"

if [ "$activated" = yes ] && [ -z "$upgrade" ]; then
  current=acknowledge
  say "waiting: healthy; a second connection has $ACKNOWLEDGE_SECONDS s to acknowledge"
  deadline=$(($(date +%s) + ACKNOWLEDGE_SECONDS))
  until [ -e "$work/acknowledged" ]; do
    [ "$(date +%s)" -lt "$deadline" ] ||
      fail "no second connection came within $ACKNOWLEDGE_SECONDS s"
    sleep 0.2
  done
  say "acknowledged"
fi

if [ "$new" != "$(readlink -f "$profile")" ] || [ "$activated" = yes ]; then
  step default 300 sync # before the profile names it: a power cut must not leave half of it as the default
  step default 300 nix-env --profile "$profile" --set "$new"
  step default 300 "$new/bin/switch-to-configuration" boot
fi
ln -sfn "$(basename "$nixpkgs")" /var/lib/nixpkgs/current
for tree in /var/lib/nixpkgs/nixos-*; do
  [ "$tree" = "$nixpkgs" ] || rm -rf "$tree"
done
if [ -z "$upgrade" ]; then
  rm -rf /etc/nixos.previous
  mv /etc/nixos /etc/nixos.previous
  mv "$next" /etc/nixos
fi
say "done: $new is the boot default"
