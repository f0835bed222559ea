"""A machine's port: a namespace with eth0, and the other end on the world's bridge."""

from __future__ import annotations

import ipaddress
from contextlib import suppress

from sandbox.hetzner.machines import MachineSpec
from sandbox.machine.run import CommandError, run

SWITCH = "switch"
"""The bridge in the world's namespace."""


def address(spec: MachineSpec) -> str | None:
    """The host's address in the machine's IPv6 network."""
    if spec.ipv6_network is None:
        return None
    return str(ipaddress.IPv6Network(spec.ipv6_network)[1])


def network(spec: MachineSpec) -> str:
    """The interface as the image's own first boot would set it up, for systemd-networkd."""
    lines = ["[Match]", "Name=eth0", "", "[Network]", "IPv6AcceptRA=no"]
    if spec.ipv4 is not None:
        lines += ["DHCP=ipv4", "", "[DHCPv4]", "ClientIdentifier=mac", "UseHostname=no"]
    if (own := address(spec)) is not None:
        lines += ["", "[Address]", f"Address={own}/64", "DuplicateAddressDetection=none"]
        lines += ["", "[Route]", "Destination=::/0", "Gateway=fe80::1"]
    return "\n".join(lines) + "\n"


async def plug(world: str, name: str, spec: MachineSpec) -> None:
    """Make a port without any history: a machine that starts finds no address or rule of its last run."""
    await unplug(world, name, spec.server_id)
    port = f"m{spec.server_id}"
    await run("ip", "netns", "add", name)
    # Addresses come and go within seconds here, and nobody else has the same.
    await _inside(
        name, "for each in all default; do echo 0 >/proc/sys/net/ipv6/conf/$each/accept_dad; done"
    )
    veth = ("type", "veth", "peer", "name", "eth0", "address", spec.mac, "netns", name)
    await run("ip", "-n", world, "link", "add", port, *veth)
    await run("ip", "-n", world, "link", "set", port, "master", SWITCH, "up")


async def unplug(world: str, name: str, server_id: int) -> None:
    """Remove the port, if there is one."""
    # In this order: a namespace that is removed takes its interfaces along only some time later.
    with suppress(CommandError):
        await run("ip", "-n", world, "link", "delete", f"m{server_id}")
    with suppress(CommandError):
        await run("ip", "netns", "delete", name)


async def _inside(name: str, script: str) -> None:
    await run("nsenter", f"--net=/run/netns/{name}", "sh", "-c", script)
