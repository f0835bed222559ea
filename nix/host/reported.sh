#!/bin/sh
# Ends an installation: `pulumi up` is told, then the host gets its own host key, and the installer reboots into
# NixOS. Usage: reported.sh CLIENT PORT, by the session of that client, which ends with it.
#
# Until then the host answers with the install host key, which is what an `up` dials with that was not told. So
# a run that is interrupted, or a power cut, leaves a server that the next `up` can reach.
set -eu

client=$1
port=$2
# shellcheck source=nix/host/told.sh
. "$(dirname "$0")/told.sh"

if [ "$#" = 2 ]; then
  look
  # The rest, in a unit that outlives the session.
  exec systemd-run --quiet --collect sh "$0" "$client" "$port" "$(session)" "$received"
fi

told "$3" "$4" || {
  echo "nobody listens any more; the next run will be told"
  exit 0
}

partition=$(cat /run/install/partition 2>/dev/null || :)
root=${partition:+/mnt}
[ -z "$partition" ] || mount "$partition" "$root"
own=$root/var/lib/host/unreported
mv "$own/ssh_host_ed25519_key" "$own/ssh_host_ed25519_key.pub" "$root/etc/ssh/"
rmdir "$own"
sync
if [ -n "$partition" ]; then
  umount "$root"
  systemctl reboot
else
  systemctl restart sshd.service
fi
