#!/bin/sh
# Whether the host is what its stack has made of it: prints each difference, and ends with status 1 if there is
# one. What a later change repairs, and what not yet, is the business of `pulumi up`.
set -eu

state=/var/lib/converge
profile=/nix/var/nix/profiles/system
found=$(mktemp)
trap 'rm -f "$found"' EXIT

differs() {
  echo "drift: $*" >>"$found"
}

[ "$(id -u)" = 0 ] || { echo "drift: it takes root: sudo drift" >&2; exit 2; }
[ -e "$state/manifest" ] || { echo "drift: nothing is known yet: no \`pulumi up\` has converged this host" >&2; exit 2; }

# Edited, deleted and added files.
(cd /etc/nixos && sha256sum --check --quiet "$state/manifest" 2>/dev/null) |
  sed -n 's/^\.\/\(.*\): FAILED.*/\1/p' | while read -r file; do differs "/etc/nixos/$file is not what \`pulumi up\` has put there"; done
(cd /etc/nixos && find . -type f) | sort | while read -r file; do
  grep -qF "  $file" "$state/manifest" || differs "/etc/nixos/${file#./} is not of \`pulumi up\`'s"
done

wanted=$(cat "$state/system")
[ "$(readlink -f /run/current-system)" = "$wanted" ] ||
  differs "$(readlink -f /run/current-system) runs, in the place of $wanted"
[ "$(readlink -f "$profile")" = "$wanted" ] ||
  differs "the profile's generation is $(readlink -f "$profile"), and not $wanted"
roots=/nix/var/nix/gcroots/converge
if [ -L "$roots/pending" ]; then
  echo "drift: note: $(readlink -f "$roots/pending") waits for a reboot, which tries it once"
elif [ "$(readlink -f "$roots/default")" != "$wanted" ]; then
  differs "$(readlink -f "$roots/default") boots, in the place of $wanted"
fi
! systemctl is-failed --quiet upgrade.service || differs "the last automatic upgrade has failed: journalctl -u upgrade"
# The host went back to what was accepted before: a failure, but no difference.
[ "$(jq -r .state "$state/status.json")" != failed ] ||
  echo "drift: note: the last change has failed: $(jq -r .message "$state/status.json")"

sh /etc/nixos/host/support.sh /etc/nixos/parameters
sh /etc/nixos/host/certificate.sh /etc/nixos/parameters
sh /etc/nixos/host/caps.sh | sed 's/^/drift: note: /'
cat "$found"
if [ -s "$found" ]; then
  echo "drift: \`pulumi up --replace '**::$(cat /var/lib/host/stack)-converge'\` brings the host back to what its stack says"
  exit 1
fi
echo "drift: none"
