"""The IPv6 address from the metadata service, which may answer late, or with something else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.needs import needs
from tests.stack import REPO

pytestmark = needs("makes a network, which takes root", os.geteuid() == 0)

# As Hetzner's documentation and cloud-init's own tests have it.
CONFIG = """\
config:
- mac_address: 96:00:00:4e:00:01
  name: eth0
  subnets:
  - dns_nameservers:
    - 185.12.64.1
    - 185.12.64.2
    ipv4: true
    type: dhcp
  - address: 2001:db8:1::1/64
    dns_nameservers:
    - 2a01:4ff:ff00::add:2
    gateway: fe80::1
    ipv6: true
    type: static
  type: physical
version: 1
"""
# In place of networkd, which would take the drop-in to the uplink.
NETWORKCTL = """#!/bin/sh
address=$(sed -n s/^Address=//p /run/systemd/network/10-uplink.network.d/ipv6.conf)
ip -6 address add "$address" dev lo
"""
SURROUNDINGS = """\
set -eu
mount -t tmpfs run /run
PATH=$1:$PATH
ip link set lo up
ip address add 169.254.169.254 dev lo
serve() {
  python3 -m http.server --bind 169.254.169.254 --directory "$1" 80 >/dev/null 2>&1 &
  server=$!
  trap 'kill $server' EXIT
  until ss -Hltn sport = :80 | grep -q .; do sleep 0.02; done
}
"""


def run(tmp_path: Path, commands: str, config: str = CONFIG) -> str:
    """What these commands print in a network whose metadata service `serve` starts."""
    served = tmp_path / "served/hetzner/v1/metadata/network-config"
    served.parent.mkdir(parents=True)
    served.write_text(config)
    networkctl = tmp_path / "networkctl"
    networkctl.write_text(NETWORKCTL)
    networkctl.chmod(0o755)
    given = [str(tmp_path), str(REPO / "nix/host/ipv6.sh"), str(tmp_path / "served")]
    done = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", SURROUNDINGS + commands, "sh", *given],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_service_that_answers_late_is_asked_again(tmp_path: Path) -> None:
    """The first run fails, which its unit answers with another."""
    said = run(
        tmp_path,
        'sh "$2" && exit 1; ls /run; serve "$3"; sh "$2"\n'
        "cat /run/systemd/network/10-uplink.network.d/ipv6.conf\n",
    )

    assert said == "[Network]\nAddress=2001:db8:1::1/64\nGateway=fe80::1\n"


@pytest.mark.parametrize(
    "config",
    [
        "",
        "<html>502 Bad Gateway</html>\n",
        CONFIG.replace("  - address: 2001:db8:1::1/64\n", ""),
        CONFIG.replace("2001:db8:1::1/64", "2001:db8:1::1"),
        CONFIG.replace("2001:db8:1::1/64", "2001:db8:1::1/64; reboot"),
        CONFIG.replace("    gateway: fe80::1\n", ""),
        CONFIG.replace("fe80::1", "172.31.1.1"),
    ],
)
def test_what_is_no_address_and_gateway_is_not_taken(tmp_path: Path, config: str) -> None:
    assert run(tmp_path, 'serve "$3"; sh "$2" && exit 1; ls /run\n', config) == ""
