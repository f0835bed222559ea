#!/bin/sh
# Ends an installation: `pulumi up` is told, then the host gets its own host key, and the installer reboots into
# NixOS. Usage: reported.sh CLIENT PORT, by the session of that client.
#
# Until then the host answers with the install host key, which is what an `up` dials with that was not told. So
# a run that is interrupted, or a power cut, leaves a server that the next `up` can reach.
set -eu

client=$1
port=$2

# How many bytes for the client have not arrived there; nothing once the session is over.
pending() {
  ss -Htn state established "dst = $client and dport = $port" | awk '{ print $2 }'
}

if [ -z "${3:-}" ]; then
  for _ in 1 2 3 4 5; do
    sleep 1
    [ "$(pending)" != 0 ] || exec systemd-run --quiet --collect sh "$0" "$client" "$port" rest
  done
  echo "install: nobody listens; the next run will be told" >&2
  exit 1
fi

# The rest, in a unit that outlives the session. What counts is the status with which the session ends. It is
# on its way for as long as TCP tries; a client that has it closes the connection.
waited=0
while left=$(pending) && [ -n "$left" ]; do
  if [ "$waited" -ge 6000 ]; then
    echo "nobody listens any more; the next run will be told"
    exit 0
  fi
  # One that has everything, and stays nevertheless, has been told.
  [ "$left" != 0 ] || [ "$waited" -lt 600 ] || break
  waited=$((waited + 1))
  sleep 0.1
done

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
