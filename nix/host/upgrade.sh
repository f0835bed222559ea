#!/bin/sh
# Hands the newest nixpkgs of the host's release line to the supervisor. Usage:
# upgrade.sh END LENGTH REBOOT, the minute of the day at which the window ends, how many minutes long it is,
# and whether a reboot within it is allowed (true or false).
set -eu

end=$1
length=$2
reboot=$3
# shellcheck source=/dev/null
. /etc/nixos/parameters
sh /etc/nixos/host/support.sh /etc/nixos/parameters

url=$(curl -fsSLI --retry 5 --max-time 60 -o /dev/null -w '%{url_effective}' \
  "https://channels.nixos.org/nixos-$RELEASE/nixexprs.tar.xz")
newest=$(basename "$(dirname "$url")")
if [ "$newest" = "$(readlink /var/lib/nixpkgs/current)" ]; then
  echo "upgrade: $newest is the newest"
  sh /etc/nixos/host/database.sh forget
  exit 0
fi

tree=$(sh /etc/nixos/host/nixpkgs.sh /var/lib/nixpkgs "$url")
systemd-run --wait --collect --unit=nixos-rebuild-switch-to-configuration --service-type=exec \
  --property=OOMScoreAdjust=-100 --property=OOMPolicy=continue \
  --setenv=PATH="$PATH" sh /etc/nixos/host/converge.sh "$tree"

sh /etc/nixos/host/database.sh forget

if [ "$reboot" = true ] && [ -L /nix/var/nix/gcroots/converge/pending ]; then
  now=$(($(date +%-H) * 60 + $(date +%-M)))
  if [ $(((end - now + 1440) % 1440)) -le "$length" ]; then
    echo "upgrade: rebooting, which tries the new generation once"
    systemctl reboot
  else
    echo "upgrade: the new generation waits for a reboot; the window is over"
  fi
fi
