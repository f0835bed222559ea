"""What a machine's first boot asks for: DHCP and the metadata service, in the namespace of a test's world.

`python -m tests.runtime.machine.services FOLDER` serves the machines whose folders are in FOLDER/machines. It
prints a line once it does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from sandbox.hetzner.machines import MachineSpec
from sandbox.world import addresses, http, metadata
from sandbox.world.dhcp import Dhcp
from tests.runtime.machine.world import spec


async def main(folder: Path) -> None:
    """Serves until it is killed."""

    def servers() -> list[MachineSpec]:
        files = (folder / "machines").glob("*/spec.json")
        return [MachineSpec(**json.loads(file.read_text())) for file in files]

    # Whoever comes has one of these addresses, which are known beforehand.
    await Dhcp(folder).apply(spec(number) for number in range(1, 10))
    places = ((addresses.METADATA, 80), (f"{addresses.METADATA6}%{addresses.SWITCH}", 80))
    async with http.serving(metadata.create_app(servers), *places):
        print("ready", flush=True)  # noqa: T201
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
