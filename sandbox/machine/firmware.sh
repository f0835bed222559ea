#!/bin/sh
# Starts a machine: decides what boots, mounts it, and becomes systemd-nspawn.
# Usage: firmware.sh UBUNTU INSTALLER LAYER..., roots' layers, the upper before the lower.
#
# Run in a mount namespace of its own, which ends with the machine and takes every mount along. In the environment:
#   NAME       of the machine, its network namespace and its control groups
#   MACHINE    its folder: firmware/ (what a machine may write), ubuntu/ (the first system's changes), network (a file)
#   FIRST_HOSTNAME  what the first system is called
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
mkdir root machine layers upper work dev disk disk/by-id disk/by-label
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
  number=$((number + 1))
done

set --
for numbers in "/sys/block/$LOOP/dev" "/sys/block/$LOOP/$LOOP"p*/dev; do
  [ -e "$numbers" ] || continue
  part=$(cat "${numbers%/dev}/partition" 2>/dev/null || :)
  IFS=: read -r major minor <"$numbers"
  mknod -m 660 "dev/sda$part" b "$major" "$minor"
  set -- "$@" --bind="/run/dev/sda$part:/dev/sda$part"
  ln -s "../../sda$part" "disk/by-id/$DISK_ID${part:+-part$part}"
  label=$(blkid -p -o value -s LABEL "dev/sda$part" || :)
  [ -z "$label" ] || ln -sfn "../../sda$part" "disk/by-label/$label"
done

# A boot loader is where a partition has its file; the file's default entry says what is PID 1.
default_init() {
  awk '
    /^[[:space:]]*set default=/ && !chosen { gsub(/[^0-9]/, ""); wanted = $0 + 0; chosen = 1 }
    match($0, /init=[^[:space:]"]+/) { entries[count++] = substr($0, RSTART + 5, RLENGTH - 5) }
    END { if (count) print (wanted < count ? entries[wanted] : entries[0]) }
  ' "$1"
}

mount_installed() {
  for node in dev/sda?*; do
    [ "$(blkid -p -o value -s TYPE "$node" 2>/dev/null || :)" = ext4 ] || continue
    mount "$node" root
    if [ -e root/boot/grub/grub.cfg ]; then
      init=$(default_init root/boot/grub/grub.cfg)
      [ -z "$init" ] || return 0
    fi
    umount root
  done
  return 1
}

if [ -e machine/firmware/kexec ]; then
  stage=installer
  hostname=nixos-installer
  mv machine/firmware/kexec kexec
  mount -t overlay -o "lowerdir=/run/layers/1:$lower,upperdir=/run/upper,workdir=/run/work" root root
  chroot root /usr/local/sbin/take-over <kexec
elif mount_installed; then
  stage=installed
  hostname=
  mkdir -p root/usr
  mount -t overlay -o "ro,lowerdir=$lower_usr" usr root/usr
  for directory in bin sbin lib lib64; do
    [ -e "root/$directory" ] || ln -s "usr/$directory" "root/$directory"
  done
else
  stage=ubuntu
  hostname=$FIRST_HOSTNAME
  upper=/run/machine/ubuntu/upper
  mount -t overlay -o "lowerdir=/run/layers/0:$lower,upperdir=$upper,workdir=/run/machine/ubuntu/work" root root
fi
echo "$stage" >&3
exec 3>&-
echo "firmware: $(date -u +%H:%M:%S) $stage${init:+ $init}"

# The machine's own network is its own to set up; the kernel's other settings stay as they are.
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
exec systemd-nspawn --quiet --directory=/run/root --machine="$NAME" ${hostname:+--hostname="$hostname"} \
  --register=no --keep-unit --kill-signal=SIGRTMIN+4 --console=read-only \
  --network-namespace-path=/run/network --capability=CAP_NET_ADMIN --system-call-filter='~swapon swapoff' \
  --resolv-conf=off --timezone=off --link-journal=no \
  --bind=/dev/fuse --bind=/run/disk:/dev/disk --bind=/run/machine/firmware:/run/sandbox "$@" "${init:---boot}"
