"""One command on several hosts at the same time: a backup of the library, a look at the bucket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from fleet import ssh, stacks
from fleet.display import Display
from fleet.known import Known
from fleet.operations import Outcome
from fleet.progress import Progress
from fleet.status import with_each

COMMANDS = {"backup": "plex-library backup", "refresh": "media-refresh"}
"""As root, whom the stack's key belongs to."""


def run(
    errand: str,
    names: Sequence[str],
    *,
    display: Display,
    logs: Path,
    parallel: int,
    folder: Path = stacks.FOLDER,
) -> list[Outcome]:
    """Run it on the hosts of all these stacks; one that fails does not stop the others.

    Ctrl-C ends the connections. What a host has begun it goes on with.
    """
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    return asyncio.run(_run(COMMANDS[errand], names, display, logs, parallel, folder))


async def _run(
    command: str,
    names: Sequence[str],
    display: Display,
    logs: Path,
    parallel: int,
    folder: Path,
) -> list[Outcome]:
    def shown(outcome: Outcome) -> Outcome:
        display.end(outcome.stack, outcome.result, outcome.message)
        return outcome

    async def one(_name: str, what: Known, key_folder: Path) -> Outcome:
        return shown(await _one(what.address, key_folder, command, display, logs))

    return await with_each(
        names,
        parallel,
        folder,
        one,
        unknown=lambda name, why: shown(Outcome(name, "failed", why)),
    )


async def _one(
    address: ssh.Address, key_folder: Path, command: str, display: Display, logs: Path
) -> Outcome:
    name = address.stack
    progress = Progress()
    display.begin(name, progress)
    log = logs / f"{name}.log"
    began = time.monotonic()
    with log.open("w") as file:

        def seen(line: str) -> None:
            file.write(line + "\n")
            file.flush()
            progress.phase = line
            display.changed(name)

        try:
            code, printed = await ssh.run(address, key_folder, command, seen=seen)
        except ssh.Unreachable as error:
            return Outcome(name, "failed", f"does not answer: {error}", log=log)
    last = (printed.strip().splitlines() or [""])[-1]
    message = last if code == 0 else f"{last or 'no word'} (status {code})"
    seconds = time.monotonic() - began
    return Outcome(name, "done" if code == 0 else "failed", message, seconds, log=log)
