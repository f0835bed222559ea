#!/bin/sh
# Installs NixOS on the system disk, with the configuration that the host will have, so that its first boot
# is already the finished server. Usage: install.sh PAYLOAD, in the installer.
#
# The boot loader comes last, when all that it would boot is on the disk. A power cut before that leaves a disk
# that boots nothing, one after it a whole NixOS.
set -eu
umask 022

payload=$1
# shellcheck source=/dev/null
. "$payload/parameters"

say() {
  echo "install: $*"
}

current=start
trap 'rm -rf "$payload"; [ "$current" = "done" ] || say "failed: $current; see above"' EXIT
trap 'exit 1' HUP INT TERM

step() {
  current=$1
  say "$current"
}

# They name every path that they copy, thousands of them: only the end is of use, and only if they fail.
quietly() {
  "$@" >/run/install.log 2>&1 || {
    tail -n 40 /run/install.log
    exit 1
  }
}

step "system disk"
disk=$(sh "$payload/installation/system-disk.sh")
case $disk in
  /dev/disk/*) partition=$disk-part ;;
  *[0-9]) partition=${disk}p ;;
  *) partition=$disk ;;
esac

echo "${partition}3" >/run/install/partition # for reported.sh

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
mkfs.vfat -F 32 -n ESP "${partition}2"
mkfs.ext4 -q -F -L nixos "${partition}3"
mount "${partition}3" /mnt
mkdir -p /mnt/boot/efi
mount "${partition}2" /mnt/boot/efi

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
cp -R "$payload"/*.nix "$payload"/*.html "$payload/host" "$payload/parameters" /mnt/etc/nixos/
# Arm servers have no BIOS.
[ "$(uname -m)" != aarch64 ] && grub=$disk || grub=nodev
cat >/mnt/etc/nixos/host.nix <<END
# Written by the installation of this server, once: what no other server shares, and what never changes.
{
  system.stateVersion = "$RELEASE";
  boot.loader.grub.devices = [ "$grub" ];
}
END

step "identity and secrets"
mkdir -p /mnt/etc/ssh /mnt/var/lib/host /mnt/var/lib/deploy
printf '%s\n' "$STACK" >/mnt/var/lib/host/stack
# The installer's host key, until `pulumi up` has been told; reported.sh puts the host's own in its place.
cp -p /etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_ed25519_key.pub /mnt/etc/ssh/
mkdir -m 700 /mnt/var/lib/host/unreported
install -m 600 "$payload/identity/host_key" /mnt/var/lib/host/unreported/ssh_host_ed25519_key
install -m 644 "$payload/identity/host_key.pub" /mnt/var/lib/host/unreported/ssh_host_ed25519_key.pub
install -m 600 "$payload/identity/deploy_key.pub" /mnt/var/lib/deploy/root
rm -rf /mnt/var/lib/secrets
(umask 077 && cp -R "$payload/secrets" /mnt/var/lib/secrets)

step "NixOS"
# Nothing is built in memory: the store, its builds and all temporary files are below /mnt.
export TMPDIR=/mnt/tmp XDG_CACHE_HOME=/mnt/tmp/cache
mkdir -p /mnt/tmp
chmod 1777 /mnt/tmp
# As nixos-install calls it, with a root of the garbage collector's until the profile is one.
root=/mnt/nix/var/nix/gcroots/installation
quietly nix-build --store /mnt --extra-substituters 'auto?trusted=1' --max-jobs 1 --cores 2 \
  '<nixpkgs/nixos>' -A system --out-link "$root" \
  -I "nixpkgs=$nixpkgs" -I nixos-config=/mnt/etc/nixos/configuration.nix
sync

step "boot loader"
quietly nixos-install --root /mnt --no-root-passwd --no-channel-copy --system "$(readlink "$root")"

step "unmounting"
swapoff /mnt/swapfile
rm -rf "$root" /mnt/swapfile /mnt/tmp/cache
sync
umount -R /mnt

current="done"
say "done: NixOS $RELEASE is on the disk"
