"""How the hosts are: asked over SSH and looked at from outside, and what Hetzner takes for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fleet import certificate, money, ssh, stacks
from fleet.engine import Engine
from fleet.errors import FleetError
from fleet.host import Certificate, Host, problems, read
from fleet.known import Known, known

_SCRIPT = Path(__file__).with_name("status.sh")
_SECONDS = 45  # beyond what the script takes at most


@dataclass(frozen=True)
class Report:
    """What is known of a stack."""

    stack: str
    problems: tuple[str, ...]
    host: Host | None = None
    certificate: Certificate | None = None
    hetzner: money.Hetzner | str = "unknown"

    @property
    def backblaze(self) -> money.Backblaze:
        """What B2 takes for it."""
        return money.backblaze(self.host)

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        b2 = self.backblaze
        costs = {"hetzner": self.hetzner, "backblaze": b2, "article": money.article(b2)}
        return {
            "stack": self.stack,
            "problems": list(self.problems),
            "host": self.host and vars(self.host),
            "certificate": self.certificate and vars(self.certificate),
            "money": {
                key: value if isinstance(value, str) else vars(value)
                for key, value in costs.items()
            },
        }


def look(names: Sequence[str], parallel: int, folder: Path = stacks.FOLDER) -> list[Report]:
    """Ask the hosts of all these stacks; those with problems come first."""
    reports = asyncio.run(_look(names, parallel, folder))
    return sorted(reports, key=lambda each: (not each.problems, each.stack))


async def _look(names: Sequence[str], parallel: int, folder: Path) -> list[Report]:
    found = await learn(names, parallel, folder)
    at_once = asyncio.Semaphore(parallel)
    addresses = [each.address for each in found.values() if isinstance(each, Known)]
    with ssh.keys(addresses) as key_folder:

        async def one(name: str, what: Known | str) -> Report:
            if isinstance(what, str):
                return Report(name, (what,))
            async with at_once:
                return await _report(name, what, key_folder)

        return await asyncio.gather(*(one(name, what) for name, what in found.items()))


async def learn(
    names: Sequence[str], parallel: int, folder: Path = stacks.FOLDER
) -> dict[str, Known | str]:
    """What Pulumi knows of each, or why that cannot be had."""
    engine = Engine()
    at_once = asyncio.Semaphore(parallel)

    async def one(name: str) -> Known | str:
        async with at_once:
            try:
                return await asyncio.to_thread(known, name, engine, folder)
            except FleetError as error:
                return str(error)

    return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))


async def _report(name: str, what: Known, key_folder: Path) -> Report:
    address = what.address
    answer, shown, costs = await asyncio.gather(
        _ask(address, key_folder),
        certificate.look(address.domain, address.ipv4),
        asyncio.to_thread(money.ask, what.token, what.endpoint, name),
    )
    if isinstance(answer, str):
        return Report(name, (answer,), certificate=shown, hetzner=costs)
    return Report(name, tuple(problems(answer, shown, name)), answer, shown, costs)


async def _ask(address: ssh.Address, key_folder: Path) -> Host | str:
    try:
        code, printed = await ssh.run(
            address, key_folder, "sh -s", given=_SCRIPT.read_text(), seconds=_SECONDS
        )
    except ssh.Unreachable as error:
        return f"does not answer: {error}"
    try:
        return read(json.loads(printed))
    except ValueError:
        return f"cannot say how it is (status {code}): {printed.strip()[-200:] or 'no word'}"


def default(value: object) -> str:
    """What JSON has no form for."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
