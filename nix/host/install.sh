#!/bin/sh
# Installs NixOS on the system disk, with the configuration that the host will have, so that its first boot
# is already the finished server. Usage: install.sh PAYLOAD, in the installer.
set -eu
umask 022

payload=$1
# shellcheck source=/dev/null
. "$payload/parameters"

say() {
  echo "install: $*"
}

current=start
trap '[ "$current" = "done" ] || say "failed: $current; see above"' EXIT
trap 'exit 1' HUP INT TERM

step() {
  current=$1
  say "$current"
}

step "system disk"
# Volumes are disks too, in no fixed order: the system disk is the one that QEMU made.
set -- /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_*
disk=
for candidate; do
  case $candidate in
    *-part*) ;;
    *) disk="${disk:+$disk }$candidate" ;;
  esac
done
if [ ! -e "$disk" ]; then
  say "expected one system disk, found: $disk"
  exit 1
fi

step "partitions"
# A run that was cut short has left its own.
swapoff /mnt/swapfile 2>/dev/null || :
umount -R /mnt 2>/dev/null || :
sgdisk --zap-all "$disk"
# BIOS and UEFI both find a boot loader, whichever firmware the server has.
sgdisk --new=1:0:+1M --typecode=1:EF02 --change-name=1:bios \
  --new=2:0:+512M --typecode=2:EF00 --change-name=2:ESP \
  --new=3:0:0 --typecode=3:8300 --change-name=3:nixos "$disk"
udevadm settle
mkfs.vfat -F 32 -n ESP "$disk-part2"
mkfs.ext4 -q -F -L nixos "$disk-part3"
mount "$disk-part3" /mnt
mkdir -p /mnt/boot/efi
mount "$disk-part2" /mnt/boot/efi

step "swap for the installation"
fallocate -l 4G /mnt/swapfile
chmod 600 /mnt/swapfile
mkswap -q /mnt/swapfile
swapon /mnt/swapfile

step "nixpkgs"
nixpkgs=$(sh "$payload/host/nixpkgs.sh" /mnt/var/lib/nixpkgs "$NIXPKGS_URL" "$NIXPKGS_SHA256")
ln -s "$(basename "$nixpkgs")" /mnt/var/lib/nixpkgs/current

step "configuration"
mkdir -p /mnt/etc/nixos
cp -R "$payload"/*.nix "$payload/host" "$payload/parameters" /mnt/etc/nixos/
cat >/mnt/etc/nixos/host.nix <<END
# Written by the installation of this server, once: what no other server shares, and what never changes.
{
  system.stateVersion = "$RELEASE";
  boot.loader.grub.devices = [ "$disk" ];
}
END

step "identity and secrets"
mkdir -p /mnt/etc/ssh /mnt/var/lib/host /mnt/var/lib/deploy
printf '%s\n' "$STACK" >/mnt/var/lib/host/stack
install -m 600 "$payload/identity/host_key" /mnt/etc/ssh/ssh_host_ed25519_key
install -m 644 "$payload/identity/host_key.pub" /mnt/etc/ssh/ssh_host_ed25519_key.pub
install -m 600 "$payload/identity/deploy_key.pub" /mnt/var/lib/deploy/root
rm -rf /mnt/var/lib/secrets
(umask 077 && cp -R "$payload/secrets" /mnt/var/lib/secrets)

step "NixOS"
TMPDIR=/mnt/tmp
export TMPDIR
mkdir -p /mnt/tmp
chmod 1777 /mnt/tmp
# It names every path that it copies, thousands of them: only the end is of use, and only if it fails.
if ! XDG_CACHE_HOME=/mnt/tmp/cache nixos-install --root /mnt --no-root-passwd --no-channel-copy \
  --max-jobs 1 --cores 2 -I "nixpkgs=$nixpkgs" >/run/nixos-install.log 2>&1; then
  tail -n 40 /run/nixos-install.log
  exit 1
fi

step "unmounting"
swapoff /mnt/swapfile
rm -rf /mnt/swapfile /mnt/tmp/cache
sync
umount -R /mnt
rm -rf "$payload"

current="done"
say "done: NixOS $RELEASE is on the disk"
