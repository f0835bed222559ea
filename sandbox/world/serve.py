"""The daemon: everything that lives in the world, in the order in which one part needs the other."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sandbox import credentials
from sandbox.b2.app import create_app as create_b2
from sandbox.b2.hosts import NAMES as B2_NAMES
from sandbox.hetzner.app import create_app as create_api
from sandbox.hetzner.faults import Faults, create_control
from sandbox.hetzner.machines import Machines
from sandbox.hetzner.resume import resume, settle
from sandbox.hetzner.state import State
from sandbox.world import acme, addresses, bucket, http, internet, metadata, resolver
from sandbox.world.ca import Authority, write
from sandbox.world.connected import Connected
from sandbox.world.dhcp import Dhcp
from sandbox.world.resolver import Resolver

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Fleet(Machines, Protocol):
    """Machines that outlive the daemon."""

    async def resume(self) -> None:
        """Find the machines of an earlier run."""

    async def close(self) -> None:
        """Stop all machines; what they are stays."""


@dataclass(frozen=True)
class World:
    """What a daemon is made of: its folder, Pebble's program, and the machines behind the API."""

    state: Path
    pebble: Path
    fleet: Callable[[], Awaitable[Fleet]]


async def run(world: World) -> None:
    """Serves everything until it is cancelled. `world.json` is there exactly while all of it answers.

    Has to be run in the world's network namespace, see `network.up`.

    Raises:
        OSError, RuntimeError: a part did not start.
    """
    ready = world.state / "world.json"
    ready.unlink(missing_ok=True)
    async with _everything(world):
        write(ready, json.dumps(_summary(), indent=1).encode())
        log.info("the world is ready")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ready.unlink(missing_ok=True)
            log.info("the world ends")


def until_a_signal(world: World) -> None:
    """Runs the world until SIGTERM or SIGINT, which also end one that is still on its way up."""

    async def main() -> None:
        serving = asyncio.create_task(run(world))
        loop = asyncio.get_running_loop()

        def end() -> None:
            # Only once: another signal must not interrupt what takes everything down.
            for number in _SIGNALS:
                loop.add_signal_handler(number, lambda: None)
            serving.cancel()

        for number in _SIGNALS:
            loop.add_signal_handler(number, end)
        with suppress(asyncio.CancelledError):
            await serving

    asyncio.run(main())


@asynccontextmanager
async def _everything(world: World) -> AsyncIterator[None]:
    authority = Authority(world.state)
    state = State(world.state / "hetzner", zones=[credentials.ZONE])
    async with AsyncExitStack() as stack:
        names = Resolver(addresses.NAMES, state)
        everywhere = (*addresses.RESOLVERS, *addresses.RESOLVERS6)
        await stack.enter_async_context(resolver.serving(names, everywhere))
        lines = "".join(f"nameserver {address}\n" for address in addresses.RESOLVERS)
        write(world.state / "resolv.conf", lines.encode())

        dhcp = Dhcp(world.state)
        stack.push_async_callback(dhcp.close)
        await dhcp.apply(state.servers())

        await stack.enter_async_context(_sites(world.state, authority))
        await stack.enter_async_context(
            http.serving(
                metadata.create_app(state.servers),
                (addresses.METADATA, 80),
                (f"{addresses.METADATA6}%{addresses.SWITCH}", 80),
            )
        )
        await stack.enter_async_context(_certificates(world, authority))

        fleet = await world.fleet()
        stack.push_async_callback(fleet.close)
        stack.callback(settle, state, fleet)
        for server in state.machines:
            await fleet.firewall(server.id, state.firewall_rules(server.id))
        await fleet.resume()
        machines = Connected(fleet, lambda: dhcp.apply(state.servers()))
        await resume(state, machines)
        await stack.enter_async_context(_hetzner(state, machines, authority))
        yield


@asynccontextmanager
async def _hetzner(state: State, machines: Machines, authority: Authority) -> AsyncIterator[None]:
    """The API, by HTTPS under its own name and by HTTP on the loopback; and its misbehaviour."""
    faults = Faults()
    api = create_api(state, machines, token=credentials.HCLOUD_TOKEN, faults=faults)
    tls = authority.issue("hetzner", [addresses.HETZNER_NAME])
    async with (
        http.serving(create_control(faults), ("127.0.0.1", addresses.FAULTS_PORT)),
        http.serving(api, ("127.0.0.1", addresses.API_PORT), lifespan="on"),
        http.serving(api, (addresses.HETZNER, 443), tls=tls),
    ):
        yield


@asynccontextmanager
async def _sites(state: Path, authority: Authority) -> AsyncIterator[None]:
    """The internet's sites and Backblaze."""
    sites = internet.create_app(state / "internet", addresses.INTERNET_NAMES)
    sites_tls = authority.issue("internet", addresses.INTERNET_NAMES)
    backblaze = create_b2(state / "b2")
    bucket.prepare(backblaze.state.service)
    backblaze_tls = authority.issue("backblaze", B2_NAMES)
    async with (
        http.serving(sites, (addresses.INTERNET, 443), tls=sites_tls),
        http.serving(backblaze, (addresses.B2, 443), tls=backblaze_tls),
    ):
        yield


@asynccontextmanager
async def _certificates(world: World, authority: Authority) -> AsyncIterator[None]:
    """Let's Encrypt, and the bundle of everything that is trusted here."""
    folder = world.state / "acme"
    tls = authority.issue("letsencrypt", addresses.ACME_NAMES)
    async with (
        acme.serving(world.pebble, folder, authority) as front,
        http.serving(front, (addresses.ACME, 443), tls=tls),
    ):
        trusted = authority.certificate.read_bytes() + acme.roots(folder)
        write(world.state / "ca-bundle.pem", trusted)
        yield


def _summary() -> dict[str, object]:
    return {
        "pid": os.getpid(),
        "api": f"http://127.0.0.1:{addresses.API_PORT}/v1",
        "faults": f"http://127.0.0.1:{addresses.FAULTS_PORT}/faults",
        "resolvers": addresses.RESOLVERS,
        "names": addresses.NAMES,
    }
