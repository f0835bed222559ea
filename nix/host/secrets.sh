#!/bin/sh
# What `pulumi up` runs to hand over the stack's secrets. Usage: secrets.sh PAYLOAD
# The work is done by the supervisor's unit, so that it excludes a converge and outlives this session.
set -eu
umask 077

payload=$1
name=secrets
unit=nixos-rebuild-switch-to-configuration
work=/run/secrets-on-trial
# shellcheck source=nix/host/session.sh
. "$payload/host/session.sh"

await_boot "$payload"
hold change || {
  rm -rf "$payload"
  exit 1
}
if at_work; then
  rm -rf "$payload"
  echo "secrets: $(who) since $(systemctl show -P ActiveEnterTimestamp "$unit"); try again when it has ended" >&2
  exit 1
fi
rm -rf "$work"
mkdir -p "$work"
mv "$payload" "$work/payload"
echo "new secrets" >/run/converge.who
rm -f /run/converge/digest # whose change is not what this is
start sh "$work/payload/host/try-secrets.sh" "$work/payload"
exec 9>&-
follow 0

end=$(last_line)
rm -rf "$work/payload"
case $end in
  "$name: done: "*) exit 0 ;;
  "$name: failed: "*) ;;
  *) echo "secrets: failed: the supervisor ended without a word; see journalctl -u $unit" ;;
esac
exit 1
