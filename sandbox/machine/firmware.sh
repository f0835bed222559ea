#!/bin/sh
# Starts a machine: decides what boots, mounts it, and becomes systemd-nspawn.
# Usage: firmware.sh UBUNTU INSTALLER LAYER..., roots' layers, the upper before the lower.
#
# Run in a mount namespace of its own, which ends with the machine and takes every mount along. In the environment:
#   NAME       of the machine, its network namespace and its control groups
#   MACHINE    its folder: firmware/ (what a machine may write), network (a file)
#   FIRMWARE   bios or uefi: what it takes for a boot loader
#   CGROUPS    the hierarchies in which it gets a control group
#   LOOP       the loop device that is the disk, for example loop3
#   DISK_ID    the disk's name in /dev/disk/by-id
# The name of what boots is written to standard output, which then ends.
set -eu
exec 3>&1 >&2

for hierarchy in $CGROUPS; do
  mkdir -p "$hierarchy/$NAME"
  echo $$ >"$hierarchy/$NAME/cgroup.procs"
done

# Everything is mounted below /run, where no path holds a character that overlayfs or nspawn would split at.
# nspawn keeps locks and folders in /run as well, and those vanish with it.
mount --bind "/run/netns/$NAME" "$MACHINE/network"
mount -t tmpfs -o mode=755,size=50% memory /run
cd /run
mkdir root system machine layers upper work dev disk disk/by-id disk/by-label
: >network
mount --bind "$MACHINE/network" network
mount --bind "$MACHINE" machine
number=0
for layer; do
  mkdir "layers/$number"
  mount --bind "$layer" "layers/$number"
  case $number in
    0 | 1) ;;
    *)
      lower=${lower+$lower:}/run/layers/$number
      lower_usr=${lower_usr+$lower_usr:}/run/layers/$number/usr
      ;;
  esac
  base=$number
  number=$((number + 1))
done

about() {
  blkid -p -o value -s "$1" "$2" 2>/dev/null || :
}

# Makes dev/sda and a node for each partition that the kernel has been told of, with their names in /dev/disk.
nodes() {
  rm -rf dev/* disk/*/*
  for numbers in "/sys/block/$LOOP/dev" "/sys/block/$LOOP/$LOOP"p*/dev; do
    [ -e "$numbers" ] || continue
    part=$(cat "${numbers%/dev}/partition" 2>/dev/null || :)
    IFS=: read -r major minor <"$numbers"
    mknod -m 660 "dev/sda$part" b "$major" "$minor"
    ln -s "../../sda$part" "disk/by-id/$DISK_ID${part:+-part$part}"
    label=$(about LABEL "dev/sda$part")
    [ -z "$label" ] || ln -sfn "../../sda$part" "disk/by-label/$label"
  done
}
nodes

# A BIOS starts what is in the disk's first sector, UEFI what an EFI partition has where removable media have it.
has_boot_loader() {
  if [ "$FIRMWARE" = bios ]; then
    [ "$(dd if=dev/sda bs=1 skip=384 count=4 2>/dev/null)" = GRUB ]
    return
  fi
  for node in dev/sda?*; do
    [ "$(about TYPE "$node")" != vfat ] ||
      [ ! -e "machine/firmware/esp/$(about UUID "$node")/EFI/BOOT/BOOTX64.EFI" ] || return 0
  done
  return 1
}

# What GRUB's file boots: PID 1. An entry's name is its number, behind that of its submenu. Usage: entry FILE NAME,
# for the default if there is none of that name.
entry() {
  awk -v name="$2" '
    /^[[:space:]]*set default=[0-9]/ && !chosen { gsub(/[^0-9]/, ""); wanted = $0 + 0; chosen = 1 }
    /^[[:space:]]*submenu / { above = top++ ">"; below = 0; next }
    /^[[:space:]]*menuentry / { path = above == "" ? top++ : above below++; inside = 1 }
    /^[[:space:]]*}/ { if (inside) inside = 0; else above = "" }
    match($0, /init=[^[:space:]"]+/) { inits[path] = substr($0, RSTART + 5, RLENGTH - 5) }
    END { if (!(name in inits)) name = wanted; if (!(name in inits)) name = 0; print inits[name] }
  ' "$1"
}

mount_installed() {
  for node in dev/sda?*; do
    [ "$(about TYPE "$node")" = ext4 ] || continue
    mount "$node" root
    if [ -e root/boot/grub/grub.cfg ]; then
      # What is to be booted once is forgotten before it is booted; the variable stays, without a value.
      once=$(sed -n 's/^next_entry=//p' root/boot/grub/grubenv 2>/dev/null || :)
      [ -z "$once" ] || in_base 'grub-editenv /mnt/boot/grub/grubenv set next_entry='
      init=$(entry root/boot/grub/grub.cfg "$once")
      if [ -n "$init" ]; then
        grow "$node" "${init%/init}/etc"
        return
      fi
    fi
    umount root
  done
  return 1
}

# Runs a line of shell with the base root's programs, whatever this computer has, the machine's devices, and what is
# mounted at root at /mnt.
in_base() {
  # shellcheck disable=SC2016 # expanded by the shell inside
  unshare --mount sh -euc 'mount --bind /run/dev "$1/dev"; mount --bind /run/root "$1/mnt"; exec chroot "$1" sh -euc "$2"' \
    sh "/run/layers/$base" "$1"
}

# Where a path of the installed system, which may be a link to an absolute one, is here.
target() {
  path=$1
  while link=$(readlink "root$path"); do
    path=$link
  done
  echo "root$path"
}

# On a disk that has grown: the partition and its file system too, if the generation would do so by itself. (Growing
# one that is mounted takes a capability that a container's root does not always have.) Usage: grow NODE ETC
grow() {
  number=${1#dev/sda}
  partition=/sys/block/$LOOP/${LOOP}p$number
  after=$(($(cat "/sys/block/$LOOP/size") - $(cat "$partition/start") - $(cat "$partition/size")))
  etc=$(target "$2")
  if [ "$after" -lt 8192 ] || [ ! -e "$(target "${etc#root}/systemd/system")/growpart.service" ]; then
    return 0
  fi
  grows=$(awk '$2 == "/" && $4 ~ /x-systemd.growfs/' "$(target "${etc#root}/fstab")")
  umount root
  in_base "echo ', +' | sfdisk --quiet --no-reread --no-tell-kernel -N $number /dev/sda"
  partx --delete "/dev/$LOOP" || :
  partx --add "/dev/$LOOP"
  nodes
  [ -z "$grows" ] || in_base "e2fsck -fp /dev/sda$number && resize2fs /dev/sda$number"
  mount "$1" root
}

# What the first system writes lies on the partition that its image came with, and goes with it.
mount_ubuntu() {
  for node in dev/sda?*; do
    [ "$(about LABEL "$node")" = cloudimg-rootfs ] || continue
    mount "$node" system
    mkdir -p system/upper system/work
    mount -t overlay -o "lowerdir=/run/layers/0:$lower,upperdir=/run/system/upper,workdir=/run/system/work" root root
    return
  done
  return 1
}

# What was only loaded was in memory.
rm -f machine/firmware/loaded
if [ -e machine/firmware/kexec ]; then
  stage=installer
  mv machine/firmware/kexec kexec
  mount -t overlay -o "lowerdir=/run/layers/1:$lower,upperdir=/run/upper,workdir=/run/work" root root
  chroot root /usr/local/sbin/take-over <kexec
elif has_boot_loader && mount_installed; then
  stage=installed
  mkdir -p root/usr
  mount -t overlay -o "ro,lowerdir=$lower_usr" usr root/usr
  for directory in bin sbin lib lib64; do
    [ -e "root/$directory" ] || ln -s "usr/$directory" "root/$directory"
  done
elif has_boot_loader && mount_ubuntu; then
  stage=ubuntu
  # cloud-init is to find a virtual server, not a container.
  init=/usr/lib/sandbox/init
else
  stage=nothing
  # The power button is a message to a system, and there is none.
  trap '' TERM INT
fi
echo "firmware: $(date -u +%H:%M:%S) $FIRMWARE: $stage${init:+ $init}"
[ "$stage" != nothing ] || echo "firmware: no bootable device"
echo "$stage" >&3
exec 3>&-
[ "$stage" != nothing ] || exec sleep infinity

# As udev has it everywhere, and not every computer that has no udev.
mknod -m 666 dev/fuse c 10 229

set --
for node in dev/*; do
  set -- "$@" --bind="/run/$node:/$node"
done
# How much this computer has to do is not the machine's load. nspawn looks for what goes into /proc inside.
mkdir sandbox
mount --bind machine/firmware sandbox
echo 0.08 0.03 0.01 1/99 99 >sandbox/loadavg
# The machine's own network is its own to set up; the kernel's other settings stay as they are.
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
exec systemd-nspawn --quiet --directory=/run/root --machine="$NAME" \
  --register=no --keep-unit --kill-signal=SIGRTMIN+4 --console=read-only \
  --network-namespace-path=/run/network --capability=CAP_NET_ADMIN --system-call-filter='~swapon swapoff' \
  --resolv-conf=off --timezone=off --link-journal=no \
  --bind=/run/disk:/dev/disk --bind=/run/sandbox --bind-ro=/run/sandbox/loadavg:/proc/loadavg \
  "$@" "${init:---boot}"
