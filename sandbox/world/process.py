"""What the programs that the sandbox starts have in common."""

from __future__ import annotations

import asyncio
from contextlib import suppress

_PATIENCE = 30.0  # seconds

DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Before a command: whoever was killed must not leave it behind, as on the ports of the next daemon."""


async def end(process: asyncio.subprocess.Process) -> None:
    """Ask a program to end, and kill it if it does not."""
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _PATIENCE)
        return
    process.kill()
    await process.wait()
