#!/bin/sh
# Makes a system what boots. Usage: default.sh SYSTEM DIFFERENCES
#
# DIFFERENCES are what only a boot can test. If there are any, the system is booted once; the default stays the
# last one that has proved that it boots.
set -eu

system=$1
differences=$2
host=$(dirname "$0")
profile=/nix/var/nix/profiles/system
roots=/nix/var/nix/gcroots/converge # what boots must not be collected

mkdir -p "$roots"
sync # before the profile names it: a power cut must not leave half of it
[ "$system" = "$(readlink -f "$profile")" ] || nix-env --profile "$profile" --set "$system"

if [ -z "$differences" ]; then
  "$system/bin/switch-to-configuration" boot
  ln -sfn "$system" "$roots/default"
  rm -f "$roots/pending"
  sh "$host/database.sh" settled
  [ ! -e /boot/grub/grubenv ] || grub-editenv /boot/grub/grubenv unset next_entry
else
  [ -e "$roots/default" ] || ln -sfn "$(readlink -f /run/booted-system)" "$roots/default"
  default=$(readlink -f "$roots/default")
  echo "boot: $differences can be tested by a boot alone; $default stays the default until then"
  ln -sfn "$system" "$roots/pending"
  "$default/bin/switch-to-configuration" boot
  sh "$host/boot-once.sh" "$system"
fi
