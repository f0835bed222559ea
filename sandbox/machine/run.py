"""The one door to other programs."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from sandbox import commands

# Programs like ip and sgdisk are in sbin, which an ordinary user's sudo may not search.
_PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


class CommandError(Exception):
    """A program failed. The message is its command line and what it printed."""


def environment() -> dict[str, str]:
    """What programs get: where to find each other, and plain English."""
    return {"PATH": _PATH, "LC_ALL": "C.UTF-8", "HOME": os.environ.get("HOME", "/root")}


async def run(*command: str, stdin: str | None = None, seconds: float = 600) -> str:
    """Run a program to its end and return what it printed.

    Raises:
        CommandError: it ended with another status than 0, or not in time, or there is no such program.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
            process_group=0,  # what it starts ends with it
        )
    except FileNotFoundError as error:
        raise CommandError(f"{command[0]} is not installed") from error
    talk = asyncio.create_task(process.communicate(None if stdin is None else stdin.encode()))
    try:
        late = not (await asyncio.wait([talk], timeout=seconds))[0]
        if late:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        out, err = await talk
    finally:
        talk.cancel()
    if late:
        raise CommandError(f"{commands.late(command, seconds)} {commands.end_of(out, err)}")
    if process.returncode != 0:
        said = (err or out).decode(errors="replace").strip()
        raise CommandError(f"{' '.join(command)} ended with {process.returncode}: {said}")
    return out.decode(errors="replace")
