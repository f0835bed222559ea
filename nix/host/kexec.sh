#!/bin/sh
# From Hetzner's Ubuntu into the NixOS installer, which lives in memory. cloud-init runs it at every boot of
# Ubuntu, so a power cut on the way is made good by the next boot.
#
# In /root: `installer` names what to fetch (url, sha256), `install_host_key` is the key that the installer's
# sshd answers with. sshd stays closed until then: Ubuntu gets that key only right before the jump. When all
# attempts have failed, sshd opens with it, and `kexec.failed` says so to the `install` command.
set -eu

# An installed system that ran its first user data again would be installed anew.
# shellcheck source=/dev/null
. /etc/os-release
if [ "$ID" != ubuntu ]; then
  echo "kexec: this is $ID, not Ubuntu; nothing is done" >&2
  exit 0
fi

# shellcheck source=/dev/null
. /root/installer
: "${url:?}" "${sha256:?}"

host_key() {
  rm -f /etc/ssh/ssh_host_*
  install -m 600 /root/install_host_key /etc/ssh/ssh_host_ed25519_key
  ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key >/etc/ssh/ssh_host_ed25519_key.pub
}

# The system call that checks signatures fails on some servers with little memory. On Arm it may hang, so
# there it is not even tried.
load() {
  if [ "$(uname -m)" != aarch64 ]; then
    /root/kexec/run && return
    echo "once more, by the older system call"
  fi
  /root/kexec/run --kexec-extra-flags --kexec-syscall
}

attempt() {
  cd /root
  curl -fsSL --retry 5 --retry-all-errors --retry-max-time 120 --connect-timeout 20 --max-time 180 \
    -o installer.tar.gz "$url" || return
  echo "$sha256  installer.tar.gz" | sha256sum -c - || return
  rm -rf kexec
  tar -xzf installer.tar.gz || return
  host_key || return
  load || return
  # kexec/run jumps from a child a few seconds after it ends; this process has to outlive it.
  sleep 120
  echo "the jump into the installer did not happen"
  return 1
}

rm -f /root/kexec.failed /root/kexec.reported
for number in 1 2 3; do
  echo "$(date -u '+%F %T') attempt $number: $url"
  attempt || echo "attempt $number failed"
done >>/root/kexec.log 2>&1

host_key
: >/root/kexec.failed
rm -f /etc/ssh/sshd_not_to_be_run
systemctl unmask --runtime ssh.socket ssh.service
systemctl start ssh.service
