#!/bin/sh
# What was on trial is the host's from now on. Usage: accept.sh CONFIGURATION NIXPKGS
# Each of its parts may have been done already, by a run that was cut short.
set -eu

configuration=$1
nixpkgs=$2
state=/var/lib/converge

ln -sfn "$(basename "$nixpkgs")" /var/lib/nixpkgs/current
for tree in /var/lib/nixpkgs/nixos-*; do
  [ "$tree" = "$nixpkgs" ] || rm -rf "$tree"
done

if [ "$configuration" != /etc/nixos ] && [ -d "$configuration" ]; then
  mv --exchange --no-target-directory "$configuration" /etc/nixos
  rm -rf /etc/nixos.previous
  mv "$configuration" /etc/nixos.previous
fi
# What drift.sh holds the host against.
(cd /etc/nixos && find . -type f -exec sha256sum {} +) >"$state/manifest"
[ ! -e /run/converge/digest ] || cp /run/converge/digest "$state/digest"
readlink -f /nix/var/nix/profiles/system >"$state/system"

sh /etc/nixos/host/trial.sh end
