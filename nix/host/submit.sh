#!/bin/sh
# What `pulumi up` runs on the host to converge. Usage: submit.sh CONFIGURATION
#
# The first connection hands the configuration to the supervisor, follows it, and ends with status 75
# when the host is healthy and waits. Pulumi then runs the same again over a new connection, which finds
# its own submission waiting: that is the acknowledgement, since it could only come over the new network,
# sshd and firewall.
set -eu

configuration=$1
name=converge
unit=nixos-rebuild-switch-to-configuration # nixos-rebuild's own name: the two exclude each other
work=/run/converge
# shellcheck source=nix/host/session.sh
. "$configuration/host/session.sh"

digest=$(cd "$configuration" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1)

await_boot "$configuration"
hold change || {
  rm -rf "$configuration"
  exit 1
}
submitted=$(cat "$work/digest" 2>/dev/null || :)
from=0
if at_work && [ "$submitted" != "$digest" ]; then
  rm -rf "$configuration"
  echo "converge: another change is being made on this host, by $(who), since" \
    "$(systemctl show -P ActiveEnterTimestamp "$unit"); try again when it has ended" >&2
  exit 1
elif at_work; then
  rm -rf "$configuration"
  case $(last_line) in
    "$name: waiting: "*)
      from=$(wc -c <"$work/log")
      : >"$work/acknowledged"
      ;;
  esac
elif [ "$submitted" = "$digest" ] && [ -n "$(find "$work/unreported" -mmin -10 2>/dev/null)" ]; then
  # The connection that should have acknowledged comes too late, and is told what became of the change.
  rm -rf "$configuration"
else
  rm -rf "$work" /etc/nixos.next
  mkdir -p "$work"
  mv "$configuration" /etc/nixos.next
  cp /etc/nixos/host.nix /etc/nixos.next/host.nix
  echo "$digest" >"$work/digest"
  echo "\`pulumi up\` from ${SSH_CONNECTION%% *}" >/run/converge.who
  start sh /etc/nixos.next/host/converge.sh
fi
exec 9>&-
follow "$from"

end=$(last_line)
case $end in
  "$name: waiting: "*) exit 75 ;;
  "$name: done: "*) exit 0 ;;
  "$name: failed: "*) ;;
  *) echo "converge: failed: the supervisor ended without a word; see journalctl -u $unit" ;;
esac
rm -f "$work/unreported"
exit 1
