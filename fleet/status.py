"""How the hosts are: asked over SSH and looked at from outside, and what Hetzner takes for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from fleet import certificate, money, ssh, stacks
from fleet.engine import Engine
from fleet.errors import FleetError
from fleet.host import Certificate, Host, problems, read
from fleet.known import Known, known

T = TypeVar("T")
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
    def notices(self) -> tuple[str, ...]:
        """What will have to be done by some day, and is no problem before."""
        return self.host.notices if self.host else ()

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
            "notices": list(self.notices),
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
    return await with_each(
        names, parallel, folder, _report, unknown=lambda name, why: Report(name, (why,))
    )


async def with_each(
    names: Sequence[str],
    parallel: int,
    folder: Path,
    do: Callable[[str, Known, Path], Awaitable[T]],
    *,
    unknown: Callable[[str, str], T],
) -> list[T]:
    """Do something with the hosts of all these stacks, at most so many at the same time.

    Args:
        do: given a stack's name, what is known of it, and the folder with its key for SSH.
        unknown: given the name of one of which Pulumi knows nothing, and why.
    """
    found = await learn(names, parallel, folder)
    at_once = asyncio.Semaphore(parallel)
    addresses = [each.address for each in found.values() if isinstance(each, Known)]
    with ssh.keys(addresses) as key_folder:

        async def one(name: str, what: Known | str) -> T:
            if isinstance(what, str):
                return unknown(name, what)
            async with at_once:
                return await do(name, what, key_folder)

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
