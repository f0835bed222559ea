"""Taking the sandbox away, also one that was left half-way."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from sandbox import daemon, packages
from sandbox.errors import SandboxError
from sandbox.machine import fleet
from sandbox.paths import STATE, namespace
from sandbox.world import network


def run(state: Path = STATE) -> None:
    """Remove every process, mount, loop device, namespace and file of the sandbox; the cache stays.

    Raises:
        SandboxError: this is not root, or an installation of packages was interrupted and cannot go on.
    """
    if os.geteuid() != 0:
        raise SandboxError("The sandbox was made by root, and only root can take it away.")
    daemon.stop(state)
    asyncio.run(fleet.cleanup(state / "machines", namespace(state), disks=True))
    network.down(namespace(state))
    shutil.rmtree(state, ignore_errors=True)
    packages.settle(print)
