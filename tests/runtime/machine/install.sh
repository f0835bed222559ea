# shellcheck shell=sh
# What a test types into the installer; $WORLD is set.
set -eu
disk=$(find /dev/disk/by-id -name 'scsi-0QEMU_QEMU_HARDDISK_*' ! -name '*-part*')
sgdisk --zap-all "$disk"
sgdisk --new=1:0:+1M --typecode=1:EF02 --new=2:0:+512M --typecode=2:EF00 --new=3:0:0 "$disk"
udevadm settle
mkfs.vfat -F 32 -n ESP "$disk-part2"
mkfs.ext4 -q -F -L nixos "$disk-part3"
udevadm settle
mount /dev/disk/by-label/nixos /mnt
mkdir -p /mnt/boot/efi
mount "$disk-part2" /mnt/boot/efi
fallocate -l 64M /mnt/swapfile
chmod 600 /mnt/swapfile
mkswap -q /mnt/swapfile
swapon /mnt/swapfile
[ "$(grep -c swapfile /proc/swaps)" = 0 ]

mkdir -p /mnt/etc/nixos /mnt/etc/ssh /mnt/var/lib/nixpkgs
cp /etc/ssh/ssh_host_ed25519_key* /mnt/etc/ssh/
echo kept >/mnt/var/kept
curl -fsS "$WORLD/nixpkgs.tar.xz" | tar -xJ -C /mnt/var/lib/nixpkgs --strip-components=1
cd /mnt/etc/nixos
curl -fsS -O "$WORLD/configuration.nix"
cp /root/.ssh/authorized_keys .
cp /etc/systemd/network/00-eth0.network eth0.network
cd /

if nixos-install --no-build-output; then exit 1; fi
system=$(nix-build --store /mnt '<nixpkgs/nixos>' -A system -I nixpkgs=/mnt/var/lib/nixpkgs \
  -I nixos-config=/mnt/etc/nixos/configuration.nix --out-link /mnt/system)
sync
nixos-install --root /mnt --system "$system" --no-root-passwd --no-channel-copy
rm /mnt/system
swapoff /mnt/swapfile
sync
umount -R /mnt
