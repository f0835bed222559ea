#!/bin/sh
# Writes onto an empty disk what Hetzner's Ubuntu image has there. Usage: image.sh BASE MACHINE
#
# Run in a mount namespace of its own. The programs are those of the base root, whatever the computer has.
set -eu
mount --bind "$2" "$1/mnt"
exec chroot "$1" sh -eu <<'END'
cd /mnt
sfdisk --quiet disk.img <<TABLE
label: gpt
disk.img14: start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649
disk.img15: start=4096, size=524288, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
disk.img1: start=528384, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
TABLE
sectors=$(sfdisk --json disk.img | jq '.partitiontable.partitions[] | select(.node == "disk.img1") | .size')
mkfs.vfat -F 32 -s 1 -n UEFI -i 0b007157 --offset 4096 disk.img 262144 >/dev/null
mkfs.ext4 -q -F -L cloudimg-rootfs -J size=16 \
  -E offset=$((528384 * 512)),nodiscard,lazy_itable_init=1,lazy_journal_init=1 disk.img $((sectors / 2))k
# Its boot loader, for both kinds of firmware.
printf GRUB | dd of=disk.img bs=1 seek=384 conv=notrunc status=none
mkdir -p firmware/esp/0B00-7157/EFI/BOOT
: >firmware/esp/0B00-7157/EFI/BOOT/BOOTX64.EFI
END
