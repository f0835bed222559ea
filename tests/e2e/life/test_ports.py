"""What listens on the host, and what of it is met from outside: what the table of ports names, alone."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.ports import LAN, numbers, open_ports
from sandbox import inside
from sandbox.world import addresses
from tests.e2e.sandbox import Sandbox

# What listens, and neither firewall lets anybody reach.
_KEPT_IN = {
    (
        "tcp",
        32400,
    ): "Plex itself, which listens at every address; nginx and the tunnel come by 127.0.0.1",
    ("udp", 68): "DHCP's answers, to networkd",
}
_SOME = "21,23,25,53,111,3000,5355,8080,9100,32400,32401,32600"


def listening(sandbox: Sandbox) -> set[tuple[str, int]]:
    """Protocol and port of each socket that takes what others send, but for those of 127.0.0.0/8 and ::1."""
    found = set()
    for line in sandbox.ssh("sudo ss -Htulpn").splitlines():
        protocol, _, _, _, local, *_ = line.split()
        address, _, port = local.rpartition(":")
        if not re.match(r"127\.|\[::1\]", address):
            found.add((protocol, int(port)))
    return found


def scan(sandbox: Sandbox, *what: str) -> dict[tuple[str, int], str]:
    """What nmap says of the host's ports, from outside, by IPv4 and IPv6, which have to agree."""
    outputs = sandbox.outputs()

    def scanned(*address: str) -> dict[tuple[str, int], str]:
        nmap = ["nmap", "-n", "-Pn", "-oX", "-"]
        done = subprocess.run(
            inside.command([*nmap, *what, *address], sandbox.state),
            capture_output=True,
            text=True,
            check=True,
        )
        return {
            (port.attrib["protocol"], int(port.attrib["portid"])): state.attrib["state"]
            for port in ElementTree.fromstring(done.stdout).iter("port")
            for state in port.iter("state")
        }

    with ThreadPoolExecutor() as both:
        by_ipv4 = both.submit(scanned, outputs["ipv4"])
        by_ipv6 = both.submit(scanned, "-6", outputs["ipv6"])
    assert by_ipv4.result() == by_ipv6.result()
    return by_ipv4.result()


def test_nothing_listens_that_the_table_does_not_name(sandbox: Sandbox) -> None:
    table = open_ports(lan=False, http3=False)
    tcp = {("tcp", number) for number in numbers(table, "tcp")}
    assert tcp | {("tcp", 32400)} <= listening(sandbox), "or they would be met by nobody"

    assert listening(sandbox) - tcp - set(_KEPT_IN) == set()


def test_from_outside_three_ports_are_open_and_no_other(sandbox: Sandbox) -> None:
    """All 65535; of one that is dropped, nmap has nothing to say."""
    found = scan(sandbox, "-sS", "-p-", "--min-rate=5000", "--max-retries=2")

    assert found == {("tcp", number): "open" for number in (22, 80, 443)}


@pytest.fixture
def with_lan_ports(sandbox: Sandbox) -> Sandbox:
    sandbox.set("plexLanPorts", "true")
    done = sandbox.pulumi("up", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout + done.stderr
    return sandbox


@pytest.mark.heavy
def test_plexs_local_ports_open_by_their_key(with_lan_ports: Sandbox) -> None:
    """Both firewalls let them through, and nobody listens in the sandbox: the host itself says so."""
    tcp = ",".join(map(str, numbers(LAN, "tcp")))
    udp = ",".join(map(str, numbers(LAN, "udp")))

    reached = scan(with_lan_ports, "-sS", f"-p{tcp}") | scan(with_lan_ports, "-sU", f"-p{udp}")
    others = scan(with_lan_ports, "-sS", f"-p{_SOME}")

    assert reached == dict.fromkeys(
        [(port.protocol, port.number) for port in LAN if port.number], "closed"
    )
    assert set(others.values()) == {"filtered"}
    with_lan_ports.set("plexLanPorts", "false")
    assert with_lan_ports.pulumi("up", "--yes", "--skip-preview").returncode == 0
    closed = scan(with_lan_ports, "-sS", f"-p{tcp}")
    assert set(closed.values()) == {"filtered"}


@pytest.mark.heavy
def test_who_has_shut_themselves_out_of_ssh_comes_in_again_by_its_networks(
    sandbox: Sandbox,
) -> None:
    def up(*networks: str) -> None:
        for number, network in enumerate(networks):
            sandbox.set(f"sshNetworks[{number}]", network)
        done = sandbox.pulumi("up", "--yes", "--skip-preview")
        assert done.returncode == 0, done.stdout + done.stderr

    up("198.51.100.8/32", "2001:db8:1234::/48")
    assert scan(sandbox, "-sS", "-p22,443") == {("tcp", 22): "filtered", ("tcp", 443): "open"}

    up(f"{addresses.LAPTOP}/32", f"{addresses.LAPTOP6}/128")
    assert sandbox.ssh("echo here") == "here\n"
    removed = sandbox.pulumi("config", "rm", "plex-on-nixos:sshNetworks")
    assert removed.returncode == 0, removed.stderr
    assert sandbox.pulumi("up", "--yes", "--skip-preview").returncode == 0
