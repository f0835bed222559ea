#!/bin/sh
# Hands the newest nixpkgs of the host's release line to the supervisor. Usage:
# upgrade.sh END LENGTH REBOOT, the minute of the day at which the window ends, how many minutes long it is,
# and whether a reboot within it is allowed (true or false).
set -eu

end=$1
length=$2
reboot=$3
name=converge
unit=nixos-rebuild-switch-to-configuration
work=/run/converge
# shellcheck source=nix/host/session.sh
. /etc/nixos/host/session.sh
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

hold change
if at_work; then
  echo "upgrade: another change is being made on this host; the next upgrade makes up for it"
  exit 0
fi
rm -f /run/converge/digest # whose change is not what this is
# Fetched in the unit, too: whoever makes a change there clears away what others have fetched.
# shellcheck disable=SC2016 # expanded by the shell in the unit
systemd-run --wait --collect --unit="$unit" --service-type=exec --setenv=PATH="$PATH" \
  --property=OOMScoreAdjust=-100 --property=OOMPolicy=continue \
  sh -euc 'tree=$(sh /etc/nixos/host/nixpkgs.sh /var/lib/nixpkgs "$1"); exec sh /etc/nixos/host/converge.sh "$tree"' \
  sh "$url" 9>&- &
rounds=0
until at_work || [ $rounds = 100 ]; do
  sleep 0.1
  rounds=$((rounds + 1))
done
exec 9>&-
wait $!

sh /etc/nixos/host/database.sh forget

if [ "$reboot" = true ] && [ -L /nix/var/nix/gcroots/converge/pending ]; then
  now=$(($(date +%-H) * 60 + $(date +%-M)))
  if [ $(((end - now + 1440) % 1440)) -le "$length" ]; then
    ! at_work || exit 0 # another change, which settles what boots
    echo "upgrade: rebooting, which tries the new generation once"
    systemctl reboot
  else
    echo "upgrade: the new generation waits for a reboot; the window is over"
  fi
fi
