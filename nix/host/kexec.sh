#!/bin/sh
# From Hetzner's Ubuntu into the NixOS installer, which lives in memory.
# Usage: kexec.sh URL SHA256, with the install host key in /root/install_host_key.
#
# sshd stays closed until the installer's answers: the key that `pulumi up` expects exists here only
# right before kexec. When all attempts have failed, sshd opens with that key and a marker, so that the
# `install` command can print this log and fail with a sentence.
set -eu

url=$1
sha256=$2
log=/root/kexec.log

# An installed system that ran its first user data again would be installed anew.
# shellcheck source=/dev/null
. /etc/os-release
if [ "$ID" != ubuntu ]; then
  echo "kexec: this is $ID, not Ubuntu; nothing is done" >&2
  exit 0
fi

host_key() {
  rm -f /etc/ssh/ssh_host_*
  install -m 600 /root/install_host_key /etc/ssh/ssh_host_ed25519_key
  ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key >/etc/ssh/ssh_host_ed25519_key.pub
}

attempt() {
  cd /root
  curl -fsSL --retry 5 --retry-connrefused --connect-timeout 20 --max-time 600 -o installer.tar.gz "$url" || return
  echo "$sha256  installer.tar.gz" | sha256sum -c - || return
  tar -xzf installer.tar.gz || return
  host_key || return
  # kexec/run jumps from a child a few seconds after it ends; this session has to outlive it.
  { /root/kexec/run || /root/kexec/run --kexec-extra-flags --kexec-syscall; } || return
  sleep 120
  echo "the jump into the installer did not happen"
  return 1
}

for number in 1 2 3; do
  echo "attempt $number: $url"
  attempt && exit 0
  echo "attempt $number failed"
done >>"$log" 2>&1

host_key
: >/root/kexec.failed
rm -f /etc/ssh/sshd_not_to_be_run
systemctl unmask --runtime ssh.socket ssh.service
systemctl start ssh.service
