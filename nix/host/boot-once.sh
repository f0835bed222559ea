#!/bin/sh
# Lets GRUB boot a generation at the next boot and only then; after that its default boots again, if need be
# by a power button. Usage: boot-once.sh SYSTEM
set -eu

system=$1

# GRUB's name for an entry is its number, behind that of the submenu it stands in.
entry=$(awk -v init="init=$system/init" '
  /^[[:space:]]*submenu / { above = top++ ">"; inner = 0; next }
  /^[[:space:]]*menuentry / { path = above == "" ? top++ : above inner++; inside = 1 }
  index($0, init " ") || index($0, init "\"") || $0 ~ init "$" { if (above != "") { print path; exit } }
  /^[[:space:]]*}/ { if (inside) inside = 0; else above = "" }
' /boot/grub/grub.cfg)
if [ -z "$entry" ]; then
  echo "boot-once: GRUB's menu has no entry for $system" >&2
  exit 1
fi
[ -e /boot/grub/grubenv ] || grub-editenv /boot/grub/grubenv create
grub-editenv /boot/grub/grubenv set "next_entry=$entry"
sync /boot/grub/grubenv
