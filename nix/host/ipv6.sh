#!/bin/sh
# Gives the uplink the IPv6 address and gateway that Hetzner's metadata service names, as a drop-in of
# networkd's. A metadata service that does not answer is a failure, which systemd tries again.
set -eu

config=$(curl -fsS --max-time 10 http://169.254.169.254/hetzner/v1/metadata/network-config)

# value KEY ENDING: the first IPv6 value of a key, wherever in the YAML it stands.
value() {
  printf '%s\n' "$config" |
    sed -En "s/^[- ]*$1: *['\"]?([0-9a-fA-F]*:[0-9a-fA-F:]+$2)['\"]? *$/\1/p" | head -n 1
}

address=$(value address '\/[0-9]{1,3}')
gateway=$(value gateway '')
if [ -z "$address" ] || [ -z "$gateway" ]; then
  echo "ipv6: the metadata service names no IPv6 address and gateway" >&2
  exit 1
fi

drop_in=/run/systemd/network/10-uplink.network.d
mkdir -p "$drop_in"
printf '[Network]\nAddress=%s\nGateway=%s\n' "$address" "$gateway" >"$drop_in/ipv6.conf"
networkctl reload

# The address can be used once nobody else on the link has been found to have it.
for _ in 1 2 3 4 5 6 7 8 9 10; do
  [ -z "$(ip -6 address show to "${address%/*}" -tentative)" ] || exit 0
  sleep 1
done
echo "ipv6: $address did not come up" >&2
exit 1
