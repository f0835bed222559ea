"""All machines of one sandbox, as the API commands them."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from sandbox.hetzner.machines import FirewallRule, MachineSpec
from sandbox.machine import cgroups, disk, firewall, network
from sandbox.machine.layers import Layers
from sandbox.machine.machine import Machine

_PATIENCE = 20.0
"""Seconds that a machine gets to stop of its own accord when the sandbox goes down."""


class Fleet:
    """Implements `sandbox.hetzner.machines.Machines`. Lives in one event loop."""

    def __init__(self, directory: Path, world: str, layers: Layers) -> None:
        """
        Args:
            directory: gets a folder for each machine; kept while the sandbox is down.
            world: the name of the network namespace that has the bridge `switch`.
            layers: from `sandbox.machine.layers.make`.
        """
        self._directory = directory
        self._world = world
        self._layers = layers
        self._machines: dict[int, Machine] = {}
        self._locks: dict[int, asyncio.Lock] = {}
        self._rules: dict[int, tuple[FirewallRule, ...] | None] = {}

    def machine(self, server_id: int) -> Machine:
        """One machine.

        Raises:
            KeyError: there is none.
        """
        return self._machines[server_id]

    async def create(self, spec: MachineSpec) -> None:
        """Make the disk and power the machine on; returns when the firmware has started it."""
        async with self._lock(spec.server_id):
            await self._create(spec)

    async def power_on(self, server_id: int) -> None:
        """Start a machine that has a disk. Does nothing if it is running."""
        async with self._lock(server_id):
            await self._start(self._machines[server_id])

    async def shutdown(self, server_id: int) -> None:
        """Ask the system politely to stop; returns when it has been asked."""
        self._machines[server_id].shutdown()

    async def power_off(self, server_id: int) -> None:
        """Cut the power. Does nothing if the machine is off."""
        async with self._lock(server_id):
            await self._machines[server_id].power_off()

    async def reset(self, server_id: int) -> None:
        """Cut the power and start again."""
        async with self._lock(server_id):
            await self._machines[server_id].power_off()
            await self._start(self._machines[server_id])

    async def reboot(self, server_id: int) -> None:
        """Press ctrl-alt-del: the system restarts politely. Does nothing if the machine is off."""
        self._machines[server_id].reboot()

    async def rebuild(self, spec: MachineSpec) -> None:
        """Cut the power, throw the disk away, make one with the image of `spec`, and start from it."""
        async with self._lock(spec.server_id):
            machine = self._machines.pop(spec.server_id, None)
            if machine is not None:
                await machine.delete()
            await self._create(spec)

    async def resize(self, server_id: int, gigabytes: int) -> None:
        """Let the disk grow to that size.

        Raises:
            MachineError: the machine is on, or the disk is larger already.
        """
        async with self._lock(server_id):
            self._machines[server_id].resize(gigabytes)

    async def delete(self, server_id: int) -> None:
        """Remove the machine and all that belongs to it. Does nothing if there is none."""
        async with self._lock(server_id):
            self._rules.pop(server_id, None)
            machine = self._machines.pop(server_id, None)
            if machine is not None:
                await machine.delete()
                await firewall.remove(self._world, server_id)

    async def firewall(self, server_id: int, rules: tuple[FirewallRule, ...] | None) -> None:
        """Replace the rules in force for a machine, or remember them for one that is to come."""
        self._rules[server_id] = rules
        machine = self._machines.get(server_id)
        if machine is not None:
            await firewall.apply(self._world, machine.spec, rules)

    def running(self, server_id: int) -> bool:
        """Whether the machine has power. Stays true while the machine reboots of its own accord."""
        machine = self._machines.get(server_id)
        return machine is not None and machine.running()

    async def resume(self) -> None:
        """Find the machines of an earlier run by their folders, and start those that had power.

        What such a run left running when it was killed is ended first.
        """
        await cleanup(self._directory, self._world, disks=False)
        for spec in sorted(self._directory.glob("*/spec.json")):
            machine = Machine.load(spec.parent, self._world, self._layers)
            self._machines[machine.spec.server_id] = machine
        starting = [self.power_on(key) for key, each in self._machines.items() if each.had_power]
        await asyncio.gather(*starting)

    async def close(self) -> None:
        """Stop all machines, politely first. Disks stay, and `resume` starts what had power."""
        await asyncio.gather(*(machine.stop(_PATIENCE) for machine in self._machines.values()))

    async def _create(self, spec: MachineSpec) -> None:
        machine = Machine(spec, self._folder(spec.server_id), self._world, self._layers)
        await machine.prepare()
        self._machines[spec.server_id] = machine
        await self._start(machine)

    async def _start(self, machine: Machine) -> None:
        server_id = machine.spec.server_id
        # Before the machine has a port: there is no moment without rules.
        await firewall.apply(self._world, machine.spec, self._rules.get(server_id))
        await machine.power_on()

    def _folder(self, server_id: int) -> Path:
        return self._directory / str(server_id)

    def _lock(self, server_id: int) -> asyncio.Lock:
        return self._locks.setdefault(server_id, asyncio.Lock())


async def cleanup(directory: Path, world: str, *, disks: bool) -> None:
    """Remove what machines left when nobody could stop them: found by name, no state is needed.

    Args:
        directory: the folder of the fleet.
        world: the name of its namespace; what begins with it is the fleet's.
        disks: whether the machines' folders go too.
    """
    prefix = f"{world}-m"
    for name in cgroups.names(prefix):
        await cgroups.kill(name)
        await cgroups.remove(name)
    for name in _namespaces(prefix):
        await network.unplug(world, name, int(name.removeprefix(prefix)))
    for image in _images(directory):
        await disk.detach(image)
    if disks:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


def _namespaces(prefix: str) -> list[str]:
    return [handle.name for handle in Path("/run/netns").glob(f"{prefix}*")]


def _images(directory: Path) -> list[Path]:
    return list(directory.glob("*/disk.img"))
