"""A server's way from order to removal, and the machine's with it.

A server's status on disk says what was meant, so that it alone tells how to go on after the
sandbox was down: see `resume`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .machines import Machines, MachineSpec
from .records import Server, ServerStatus
from .state import State

Make = Callable[[MachineSpec], Awaitable[None]]


async def start(state: State, machines: Machines, server: Server, make: Make | None = None) -> None:
    """Start a server's machine; where there is none it is made, by `make` or else `create`."""
    await machines.firewall(server.id, state.firewall_rules(server.id))
    if server.has_disk:
        await machines.power_on(server.id)
    else:
        await _make(machines, make or machines.create, state.spec(server))
    server.has_disk = True
    mark(state, server, "running")


async def _make(machines: Machines, make: Make, spec: MachineSpec) -> None:
    try:
        await make(spec)
    except Exception:
        await machines.delete(spec.server_id)
        raise


async def remove(state: State, machines: Machines, server: Server) -> None:
    """Remove a server's machine, then free its primary IPs and firewalls, then forget it."""
    await machines.delete(server.id)
    for ip in state.primary_ips:
        if ip.assignee_id == server.id:
            if ip.auto_delete:
                state.primary_ips.delete(ip.id)
            else:
                ip.assignee_id = None
                state.primary_ips.save(ip)
    for firewall in state.firewalls:
        if server.id in firewall.servers:
            firewall.servers.remove(server.id)
            state.firewalls.save(firewall)
    state.machines.delete(server.id)


def see(state: State, machines: Machines, server: Server) -> None:
    """Record what became of a server that did not arrive where it was meant to."""
    mark(state, server, "running" if machines.running(server.id) else "off")


def look(state: State, machines: Machines, server: Server) -> None:
    """Record it if the system has switched itself off."""
    if server.status == "running" and not machines.running(server.id):
        mark(state, server, "off")


def mark(state: State, server: Server, status: ServerStatus) -> None:
    """Record a server's status."""
    server.status = status
    state.machines.save(server)
