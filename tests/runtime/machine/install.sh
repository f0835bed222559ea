# shellcheck shell=sh
# What a test types into the installer; $WORLD is set.
set -eu
disk=$(ls /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_*)
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

mkdir -p /mnt/etc/nixos /mnt/etc/ssh /mnt/root/.ssh /mnt/var/lib/nixpkgs/nixos
chmod 700 /mnt/root/.ssh
cp /root/.ssh/authorized_keys /mnt/root/.ssh/
cp /etc/ssh/ssh_host_ed25519_key* /mnt/etc/ssh/
echo kept >/mnt/var/kept
curl -fsS -o /mnt/var/lib/nixpkgs/nixos/default.nix "$WORLD/system.nix"
sed 's/$/\\n/' /etc/systemd/network/00-eth0.network | tr -d '\n' |
  jq -Rs . >/mnt/etc/nixos/configuration.nix
if nixos-install --no-build-output; then exit 1; fi
nixos-install --root /mnt --no-root-passwd --no-channel-copy --max-jobs 1 --cores 2 -I nixpkgs=/mnt/var/lib/nixpkgs
swapoff /mnt/swapfile
sync
umount -R /mnt
