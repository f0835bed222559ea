#!/bin/sh
# Prints what of a system only a boot can test, as it differs from the one that has booted.
# Usage: boot-differs.sh SYSTEM
set -eu

system=$1
booted=$(readlink -f /run/booted-system)

# differs WHAT FILE
differs() {
  [ -e "$booted/$2" ] || [ -e "$system/$2" ] || return 0
  cmp -s "$booted/$2" "$system/$2" || echo "$1"
}

differs kernel kernel
differs "kernel parameters" kernel-params
differs initrd initrd
differs "file systems" etc/fstab
