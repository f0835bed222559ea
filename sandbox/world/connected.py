"""The machines, with the world told before each start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sandbox.hetzner.machines import FirewallRule, Machines, MachineSpec


class Connected:
    """Machines that are started only once `connect` has made the world ready for them."""

    def __init__(self, machines: Machines, connect: Callable[[], Awaitable[None]]) -> None:
        self._machines = machines
        self._connect = connect

    async def create(self, spec: MachineSpec) -> None:
        await self._connect()
        await self._machines.create(spec)

    async def power_on(self, server_id: int) -> None:
        await self._connect()
        await self._machines.power_on(server_id)

    async def shutdown(self, server_id: int) -> None:
        await self._machines.shutdown(server_id)

    async def power_off(self, server_id: int) -> None:
        await self._machines.power_off(server_id)

    async def reset(self, server_id: int) -> None:
        await self._connect()
        await self._machines.reset(server_id)

    async def reboot(self, server_id: int) -> None:
        await self._machines.reboot(server_id)

    async def rebuild(self, spec: MachineSpec) -> None:
        await self._connect()
        await self._machines.rebuild(spec)

    async def resize(self, server_id: int, gigabytes: int) -> None:
        await self._machines.resize(server_id, gigabytes)

    async def delete(self, server_id: int) -> None:
        await self._machines.delete(server_id)

    async def firewall(self, server_id: int, rules: tuple[FirewallRule, ...] | None) -> None:
        await self._machines.firewall(server_id, rules)

    def running(self, server_id: int) -> bool:
        return self._machines.running(server_id)
