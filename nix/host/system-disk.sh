#!/bin/sh
# Prints the one disk that a system may be installed on.
set -eu

# The disks among the words: no partitions, no patterns that matched nothing.
disks() {
  for candidate; do
    case $candidate in
      *-part*) ;;
      *) [ ! -b "$candidate" ] || echo "$candidate" ;;
    esac
  done
}

# Volumes are disks too, in no fixed order: the system disk is the one that QEMU made.
found=$(disks /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_*)
if [ -z "$found" ]; then
  # Under another name, then: any that is no volume.
  volumes=$(disks /dev/disk/by-id/scsi-0HC_Volume_* | xargs -r readlink -f)
  found=$(disks /dev/sd[a-z] /dev/vd[a-z] /dev/nvme[0-9]n1 | grep -vxF "${volumes:-none}" || :)
fi
case $found in
  "" | *"
"*)
    echo "install: expected one system disk, found: $(echo "${found:-none}" | xargs)" >&2
    exit 1
    ;;
esac
echo "$found"
