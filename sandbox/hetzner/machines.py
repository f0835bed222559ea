"""What the API asks of the machines behind it.

The API knows servers, images and rules; the machines know disks, processes and networks. This is
the whole of what passes between them, and it passes one way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class FirewallRule:
    """One rule that lets traffic pass; what no rule names is dropped.

    `port` is None for icmp, esp and gre, else one port ("443"), a range ("80-85") or "any".
    `networks` are CIDR blocks: sources for direction "in", destinations for direction "out".
    """

    direction: Literal["in", "out"]
    protocol: Literal["tcp", "udp", "icmp", "esp", "gre"]
    port: str | None
    networks: tuple[str, ...]


@dataclass(frozen=True)
class MachineSpec:
    """What a machine is made of when its server is created."""

    server_id: int
    name: str
    image: str
    """For example "ubuntu-24.04"."""
    user_data: str
    ssh_keys: tuple[str, ...]
    """OpenSSH public keys, one line each."""
    ipv4: str | None
    """For example "203.0.113.11"."""
    ipv6_network: str | None
    """For example "2001:db8:1::/64"; the host is ::1 in it."""
    mac: str
    """Lower case with colons, made of the server's id, so that it never changes."""
    disk_gigabytes: int


class Machines(Protocol):
    """The machines of one sandbox.

    A method that fails raises, and the API's action ends as an error with the exception's text.
    """

    async def create(self, spec: MachineSpec) -> None:
        """Make the disk and power the machine on; returns when the firmware has started it."""

    async def power_on(self, server_id: int) -> None:
        """Start a machine that has a disk. Does nothing if it is running."""

    async def shutdown(self, server_id: int) -> None:
        """Ask the system politely to stop; returns when it has been asked."""

    async def power_off(self, server_id: int) -> None:
        """Cut the power. Does nothing if the machine is off."""

    async def reset(self, server_id: int) -> None:
        """Cut the power and start again."""

    async def reboot(self, server_id: int) -> None:
        """Press ctrl-alt-del: the system restarts politely. Does nothing if the machine is off."""

    async def rebuild(self, spec: MachineSpec) -> None:
        """Cut the power, throw the disk away, make one with the image of `spec`, and start from it.

        Returns when the firmware has started it. What a first boot does, this one does too.
        """

    async def resize(self, server_id: int, gigabytes: int) -> None:
        """Let the disk grow to that size. The machine must be off, and a disk never becomes smaller."""

    async def delete(self, server_id: int) -> None:
        """Remove the machine and all that belongs to it. Does nothing if there is none."""

    async def firewall(self, server_id: int, rules: tuple[FirewallRule, ...] | None) -> None:
        """Replace the rules in force for a machine.

        None means that no firewall is applied: everything passes. An empty tuple is a firewall
        without rules: nothing comes in. Without a rule of direction "out" everything goes out.
        Called before `create`, before each start after the sandbox was down, and at each change,
        so it may come before the machine has a network.
        """

    def running(self, server_id: int) -> bool:
        """Whether the machine has power. Stays true while the machine reboots of its own accord."""
