"""A world whose machines are only written down: `python -m tests.runtime.world_daemon STATE PEBBLE`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from sandbox.hetzner.machines import FirewallRule, MachineSpec
from sandbox.world.serve import World, until_a_signal


class NoMachines:
    """Says that every machine that was created runs."""

    def __init__(self) -> None:
        self._running: set[int] = set()

    async def create(self, spec: MachineSpec) -> None:
        self._running.add(spec.server_id)

    async def power_on(self, server_id: int) -> None:
        self._running.add(server_id)

    async def shutdown(self, server_id: int) -> None:
        self._running.discard(server_id)

    async def power_off(self, server_id: int) -> None:
        self._running.discard(server_id)

    async def reset(self, server_id: int) -> None:
        self._running.add(server_id)

    async def reboot(self, server_id: int) -> None:
        pass

    async def rebuild(self, spec: MachineSpec) -> None:
        self._running.add(spec.server_id)

    async def resize(self, server_id: int, gigabytes: int) -> None:
        pass

    async def delete(self, server_id: int) -> None:
        self._running.discard(server_id)

    async def firewall(self, server_id: int, rules: tuple[FirewallRule, ...] | None) -> None:
        pass

    def running(self, server_id: int) -> bool:
        return server_id in self._running

    async def resume(self) -> None:
        pass

    async def close(self) -> None:
        self._running.clear()


async def _fleet() -> NoMachines:
    return NoMachines()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    until_a_signal(World(Path(sys.argv[1]), Path(sys.argv[2]), _fleet))
