"""A machine's port: a namespace with eth0, and the other end on the world's bridge."""

from __future__ import annotations

from contextlib import suppress

from sandbox.hetzner.machines import MachineSpec
from sandbox.machine.run import CommandError, run

SWITCH = "switch"
"""The bridge in the world's namespace."""


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
    await run("ip", "-n", world, "link", "set", port, "master", SWITCH)
    # Between two servers at Hetzner there is no layer 2: what one sends to another passes the gateway.
    await run("ip", "-n", world, "link", "set", port, "type", "bridge_slave", "isolated", "on")
    await run("ip", "-n", world, "link", "set", port, "up")


async def cut(world: str, server_id: int) -> None:
    """Let nothing through the port any more, if there is one."""
    with suppress(CommandError):
        await run("ip", "-n", world, "link", "set", f"m{server_id}", "down")


async def unplug(world: str, name: str, server_id: int) -> None:
    """Remove the port, if there is one."""
    # In this order: a namespace that is removed takes its interfaces along only some time later.
    with suppress(CommandError):
        await run("ip", "-n", world, "link", "delete", f"m{server_id}")
    with suppress(CommandError):
        await run("ip", "netns", "delete", name)


async def _inside(name: str, script: str) -> None:
    await run("nsenter", f"--net=/run/netns/{name}", "sh", "-c", script)
