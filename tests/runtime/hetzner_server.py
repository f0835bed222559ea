"""The Hetzner stand-in on a port of its own, with machines that only remember what they were told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import hcloud
import httpx

from sandbox.hetzner.app import create_app
from sandbox.hetzner.faults import Faults
from sandbox.hetzner.limits import Limits
from sandbox.hetzner.machines import FirewallRule, MachineSpec
from sandbox.hetzner.resume import resume
from sandbox.hetzner.state import State
from tests.runtime.serving import served

TOKEN = "t" * 64
ZONE = "films.example"

Rules = tuple[FirewallRule, ...] | None


@dataclass
class FakeMachines:
    """Machines without a machine. `stuck` holds back what they are told; `broken` fails starts and stops."""

    specs: dict[int, MachineSpec] = field(default_factory=dict)
    powered: set[int] = field(default_factory=set)
    rules: dict[int, Rules] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    stuck: bool = False
    broken: str | None = None

    async def create(self, spec: MachineSpec) -> None:
        assert spec.server_id in self.rules, "a machine must not start before it has its firewall"
        self.specs[spec.server_id] = spec
        await self._told("create")
        self._start(spec.server_id)

    async def power_on(self, server_id: int) -> None:
        await self._told("power_on")
        self._start(server_id)

    async def shutdown(self, server_id: int) -> None:
        assert server_id in self.powered, "only a running system can be asked to stop"
        await self._told("shutdown")

    async def power_off(self, server_id: int) -> None:
        await self._told("power_off")
        self._check()
        self.powered.discard(server_id)

    async def reset(self, server_id: int) -> None:
        await self._told("reset")
        self._start(server_id)

    async def reboot(self, server_id: int) -> None:
        await self._told("reboot")

    async def rebuild(self, spec: MachineSpec) -> None:
        assert spec.server_id in self.specs, "only a machine that was made can be made again"
        self.powered.discard(spec.server_id)
        self.specs[spec.server_id] = spec
        await self._told("rebuild")
        self._start(spec.server_id)

    async def resize(self, server_id: int, gigabytes: int) -> None:
        assert server_id not in self.powered, "only the disk of a machine that is off can grow"
        spec = self.specs[server_id]
        assert gigabytes >= spec.disk_gigabytes, "a disk does not become smaller"
        await self._told("resize")
        self._check()
        self.specs[server_id] = replace(spec, disk_gigabytes=gigabytes)

    async def delete(self, server_id: int) -> None:
        await self._told("delete")
        self.powered.discard(server_id)
        self.specs.pop(server_id, None)

    async def _told(self, call: str) -> None:
        self.calls.append(call)
        while self.stuck:
            await asyncio.sleep(0.01)

    def _start(self, server_id: int) -> None:
        assert server_id in self.specs, "only a machine that was made can be started"
        self._check()
        self.powered.add(server_id)

    def _check(self) -> None:
        if self.broken:
            raise RuntimeError(self.broken)

    async def firewall(self, server_id: int, rules: Rules) -> None:
        self.rules[server_id] = rules

    def running(self, server_id: int) -> bool:
        return server_id in self.powered


def known(number: int | None) -> int:
    """The id of a resource that has one; the library's types leave that open."""
    assert number is not None
    return number


@dataclass(frozen=True)
class Api:
    """A running API: its state, machines and faults, the official client, a plain HTTP client."""

    url: str
    state: State
    machines: FakeMachines
    faults: Faults
    client: hcloud.Client
    http: httpx.Client


@contextmanager
def running(
    directory: Path, machines: FakeMachines | None = None, limits: Limits | None = None
) -> Iterator[Api]:
    """The API with the state in `directory`, resumed as the sandbox resumes it."""
    machines = machines or FakeMachines()
    state = State(directory, zones=[ZONE])
    asyncio.run(resume(state, machines))
    faults = Faults()
    app = create_app(
        state,
        machines,
        token=TOKEN,
        action_seconds=0.02,
        faults=faults,
        limits=limits or Limits(),
    )
    with served(app) as url:
        base = f"{url}/v1"
        client = hcloud.Client(TOKEN, api_endpoint=base, poll_interval=0.02, timeout=120)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=base, headers=headers, timeout=120) as http:
            yield Api(base, state, machines, faults, client, http)
