"""Two ports on the switch: what passes from one to the other, and what the firewall of either lets in."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sandbox.hetzner.machines import FirewallRule, MachineSpec
from sandbox.machine import firewall
from sandbox.machine import network as port
from sandbox.world import network
from tests.runtime.machine.world import spec

# Prints the port once it listens, and answers whoever connects until it is ended.
_LISTEN = """
import socket, sys
server = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("listening", flush=True)
while True:
    server.accept()[0].close()
"""
_CONNECT = """
import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])).close()
"""
# Connects, and prints the types of the ICMPv6 messages that came meanwhile.
_HEARD = """
import socket, sys
heard = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
heard.setblocking(False)
socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20).close()
try:
    while True:
        print(heard.recv(1)[0])
except BlockingIOError:
    pass
"""
_REDIRECT = "137"
_LONG, _SHORT = 20.0, 1.0
_EVERYBODY = ("0.0.0.0/0", "::/0")


class Port:
    """A namespace behind a port of the switch, with a server's addresses and the gateway as its only way."""

    def __init__(self, world: str, spec: MachineSpec) -> None:
        self.spec = spec
        self.name = f"{world}-m{spec.server_id}"
        self.ipv4 = spec.ipv4 or ""
        self.ipv6 = (spec.ipv6_network or "").split("/")[0] + "1"

    def ip(self, *words: str) -> str:
        return _run("ip", "-n", self.name, *words)

    def settle(self) -> None:
        """What cloud-init does with Hetzner's answers."""
        self.ip("link", "set", "lo", "up")
        self.ip("link", "set", "eth0", "up")
        self.ip("address", "add", f"{self.ipv4}/32", "dev", "eth0")
        self.ip("address", "add", f"{self.ipv6}/64", "dev", "eth0")
        self.ip("route", "add", "172.31.1.1", "dev", "eth0")
        self.ip("route", "add", "default", "via", "172.31.1.1", "src", self.ipv4)
        self.ip("-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0")

    @property
    def link_local(self) -> str:
        told = self.ip("-6", "-brief", "address", "show", "scope", "link", "dev", "eth0")
        return told.split()[2].split("/")[0]

    def reaches(self, address: str, number: int, seconds: float) -> bool:
        """Whether a connection comes about within that time."""
        done = subprocess.run(
            self._python(_CONNECT, address, str(number), str(seconds)),
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def hears(self, address: str, number: int) -> list[str]:
        """What it is told by ICMPv6 while it connects."""
        return _run(*self._python(_HEARD, address, str(number))).split()

    @contextmanager
    def listens(self, number: int) -> Iterator[None]:
        with subprocess.Popen(self._python(_LISTEN, str(number)), stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"listening\n"
            try:
                yield
            finally:
                server.kill()

    def _python(self, *words: str) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self.name}", sys.executable, "-c", *words]


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def world() -> Iterator[str]:
    """The world's namespace, without anybody who answers in it."""
    name = f"plexsb-ports{os.getpid()}"
    network.up(name)
    yield name
    network.down(name)


@pytest.fixture
def ports(world: str) -> Iterator[tuple[Port, Port]]:
    """Two of them, each listening at port 22 and port 80."""
    one, two = Port(world, spec(1)), Port(world, spec(2))
    for each in (one, two):
        asyncio.run(port.plug(world, each.name, each.spec))
        each.settle()
    with one.listens(22), one.listens(80), two.listens(22), two.listens(80):
        yield one, two
    for each in (one, two):
        asyncio.run(firewall.remove(world, each.spec.server_id))
        asyncio.run(port.unplug(world, each.name, each.spec.server_id))


def test_each_firewall_holds_against_the_neighbour(world: str, ports: tuple[Port, Port]) -> None:
    one, two = ports
    ssh = (FirewallRule("in", "tcp", "22", _EVERYBODY),)
    asyncio.run(firewall.apply(world, one.spec, ssh))
    for address in (one.ipv4, one.ipv6):
        assert two.reaches(address, 22, _LONG)
        assert not two.reaches(address, 80, _SHORT)
    # The other one has none yet. What its firewall does not let out is not the first one's affair.
    for address in (two.ipv4, two.ipv6):
        assert one.reaches(address, 80, _LONG)
    out = (FirewallRule("out", "tcp", "22", _EVERYBODY),)
    asyncio.run(firewall.apply(world, one.spec, (*ssh, *out)))
    for address in (two.ipv4, two.ipv6):
        assert one.reaches(address, 22, _LONG)
        assert not one.reaches(address, 80, _SHORT)


def test_nothing_passes_but_by_the_gateway(ports: tuple[Port, Port]) -> None:
    one, two = ports
    assert two.reaches(one.ipv4, 80, _LONG)
    assert two.reaches(one.ipv6, 80, _LONG)
    assert not two.reaches(f"{one.link_local}%eth0", 80, _SHORT)
    # Who believes that the neighbour is on the same cable finds nobody there.
    two.ip("route", "add", one.ipv4, "dev", "eth0")
    two.ip("-6", "route", "add", one.ipv6, "dev", "eth0")
    assert not two.reaches(one.ipv4, 80, _SHORT)
    assert not two.reaches(one.ipv6, 80, _SHORT)


def test_the_gateway_sends_nobody_past_itself(ports: tuple[Port, Port]) -> None:
    """A redirect would send a machine to its neighbour, whom it cannot reach."""
    one, two = ports
    assert _REDIRECT not in two.hears(one.ipv6, 80)
