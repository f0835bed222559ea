"""DHCP by dnsmasq, which gives each machine its own address and nothing to anybody else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

from sandbox.hetzner.machines import MachineSpec
from sandbox.world import addresses
from sandbox.world.process import DIES_WITH_US, end

log = logging.getLogger(__name__)

_LEASE = "1h"
_PATIENCE = 60.0  # seconds


class Dhcp:
    """A dnsmasq for the servers that there are; another one as soon as there are others.

    It is started anew because a running one does not give an address to another MAC before the old
    lease ends, and a new server behind the same primary IP must get it at once.
    """

    def __init__(self, folder: Path) -> None:
        self._hosts_file = folder / "dhcp-hosts"
        self._hosts: str | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def apply(self, servers: Iterable[MachineSpec]) -> None:
        """Serves these machines, and is ready when it returns.

        Raises:
            RuntimeError: dnsmasq did not start; the log says why.
        """
        hosts = "".join(
            f"{server.mac},{server.ipv4},{_LEASE}\n"
            for server in sorted(servers, key=lambda server: server.server_id)
            if server.ipv4
        )
        async with self._turn:
            if hosts == self._hosts:
                return
            await self._stop()
            self._hosts_file.write_text(hosts)
            await self._start()
            self._hosts = hosts

    async def close(self) -> None:
        """Ends it."""
        async with self._turn:
            await self._stop()

    async def _start(self) -> None:
        network = addresses.MACHINES.split("/")[0]
        self._process = await asyncio.create_subprocess_exec(
            *DIES_WITH_US,
            "dnsmasq",
            "--conf-file=/dev/null",
            "--keep-in-foreground",
            "--log-facility=-",
            "--log-dhcp",
            "--user=root",
            "--group=root",
            "--pid-file",
            "--port=0",  # DHCP only
            f"--interface={addresses.SWITCH}",
            "--bind-interfaces",
            # The addresses that it gives are in no network that the switch has an address in.
            f"--shared-network={addresses.SWITCH},{network}",
            f"--dhcp-range={network},static,255.255.255.0,{_LEASE}",
            "--dhcp-option=option:netmask,255.255.255.255",
            "--dhcp-option=28",  # no broadcast address
            f"--dhcp-option=option:router,{addresses.GATEWAY}",
            f"--dhcp-option=option:dns-server,{','.join(addresses.RESOLVERS)}",
            f"--dhcp-hostsfile={self._hosts_file}",
            "--dhcp-authoritative",
            "--leasefile-ro",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        ready = asyncio.Event()
        self._reader = asyncio.create_task(self._read(self._process, ready))
        waiting = asyncio.create_task(ready.wait())
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait((waiting, self._reader), timeout=_PATIENCE, return_when=first)
        waiting.cancel()
        if not ready.is_set():
            await end(self._process)
            raise RuntimeError(f"dnsmasq was not ready, and ended with {self._process.returncode}")

    async def _read(self, process: asyncio.subprocess.Process, ready: asyncio.Event) -> None:
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        async for line in process.stderr:
            text = line.decode(errors="replace").strip()
            log.info("%s", text)
            if str(self._hosts_file) in text:  # what it reads last, its sockets are open by then
                ready.set()

    async def _stop(self) -> None:
        self._hosts = None
        if self._process is not None:
            await end(self._process)
            self._process = None
        if self._reader is not None:
            await self._reader
            self._reader = None
