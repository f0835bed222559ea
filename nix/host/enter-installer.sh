#!/bin/sh
# What `pulumi up` runs in the installer. Usage: enter-installer.sh PAYLOAD
#
# The work is done by a unit that outlives this session, so an `up` that was interrupted finds it where it
# is. The machine reboots only while a client is there to be told: an installer whose session was cut stays,
# and tells the next `up` that everything is done. (After the reboot, the key that this session's client
# expects is gone for ever.)
set -eu

payload=$1
name=install
unit=install
work=/run/install
# shellcheck source=nix/host/session.sh
. "$payload/host/session.sh"

if [ -e /root/kexec.failed ]; then
  echo "install: the server is still Hetzner's Ubuntu, since the NixOS installer did not start. Its log:" >&2
  tail -n 40 /root/kexec.log >&2
  exit 1
fi
if ! grep -q '^VARIANT_ID="\?installer' /etc/os-release; then
  rm -rf "$payload"
  echo "install: this is not the NixOS installer, so nothing was touched" >&2
  exit 1
fi

case $(last_line) in
  "$name: done: "*) rm -rf "$payload" ;;
  *)
    if at_work; then
      rm -rf "$payload"
    else
      start sh "$payload/host/install.sh" "$payload"
    fi
    ;;
esac
follow 0
case $(last_line) in
  "$name: done: "*) ;;
  "$name: failed: "*) exit 1 ;;
  *)
    echo "install: failed: it ended without a word; see journalctl -u $unit" >&2
    exit 1
    ;;
esac

# Whether everything that was written to this session's client has arrived there.
client_listens() {
  # shellcheck disable=SC2086 # four words: the client's address and port, then ours
  set -- $SSH_CONNECTION
  [ "$(ss -Htn state established "dst = $1 and dport = $2" | awk '{ print $2 }')" = 0 ]
}

echo "install: the server reboots into NixOS"
for _ in 1 2 3 4 5; do
  sleep 1
  if client_listens; then
    systemd-run --quiet --collect --on-active=3 --timer-property=AccuracySec=100ms \
      sh -c 'systemctl stop sshd.socket sshd.service; systemctl reboot'
    exit 0
  fi
done
echo "install: nobody listens; the installer stays for the next run" >&2
exit 1
