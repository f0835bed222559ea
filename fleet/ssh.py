"""ssh to the hosts as `pulumi up` reaches them: as root, by the stack's own key, and only the machine
that has the host key which the stack made."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

_DIAL_SECONDS = 10


@dataclass(frozen=True)
class Address:
    """Where a stack's host is, how it proves to be itself, and what opens it."""

    stack: str
    domain: str
    ipv4: str
    known_hosts: str
    """The line of ssh's known_hosts."""
    private_key: str


class Unreachable(Exception):  # noqa: N818 - it may well be the other side's fault
    """The host did not answer, or not in time. The message says how."""


@contextmanager
def keys(addresses: list[Address]) -> Iterator[Path]:
    """A folder with what ssh needs of them, in memory where there is a place for that; gone afterwards."""
    in_memory = os.environ.get("XDG_RUNTIME_DIR", "")
    place = in_memory if os.access(in_memory, os.W_OK) else None
    with TemporaryDirectory(dir=place, prefix="fleet-") as name:
        folder = Path(name)
        for address in addresses:
            _write(folder / f"{address.stack}.key", address.private_key)
            _write(folder / f"{address.stack}.hosts", address.known_hosts + "\n")
        yield folder


def _write(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)


async def run(
    address: Address,
    folder: Path,
    command: str,
    *,
    given: str = "",
    seconds: float | None = None,
    seen: Callable[[str], None] | None = None,
) -> tuple[int, str]:
    """Run a command on the host; its status and what it printed, its errors if it is nothing else.

    Args:
        address: of the host.
        folder: that `keys` made.
        command: a line of shell.
        given: on its standard input.
        seconds: how long it may take in all.
        seen: is given every line as it comes.

    Raises:
        Unreachable: there was no connection, it broke, or the time was over.
    """
    process = await asyncio.create_subprocess_exec(
        *_ssh(address, folder),
        command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT if seen else asyncio.subprocess.PIPE,
        start_new_session=True,  # a terminal's Ctrl-C is for us, who end it
    )
    try:
        async with asyncio.timeout(seconds):
            if seen is None:
                output, errors = await process.communicate(given.encode())
                said = errors.decode(errors="replace")
                printed = output.decode(errors="replace") or said
            else:
                printed = said = await _lines(process, seen)
    except TimeoutError:
        raise Unreachable(f"no answer within {seconds:g} s") from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode == 255:  # ssh's own
        raise Unreachable(_why(said, address))
    return process.returncode or 0, printed


async def _lines(process: asyncio.subprocess.Process, seen: Callable[[str], None]) -> str:
    if process.stdin is not None:
        process.stdin.close()
    printed = []
    while process.stdout is not None and (line := await process.stdout.readline()):
        printed.append(line.decode(errors="replace").rstrip())
        seen(printed[-1])
    await process.wait()
    return "\n".join(printed)


def _why(said: str, address: Address) -> str:
    if "Host key verification failed" in said:
        return (
            f"another machine answers at {address.ipv4}: its host key is not the one of this stack"
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1].removeprefix("ssh: ") if lines else "the connection was closed"


def _ssh(address: Address, folder: Path) -> list[str]:
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(_DIAL_SECONDS),
        "GlobalKnownHostsFile": "none",
        "HostKeyAlias": address.domain,
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": str(folder / f"{address.stack}.key"),
        "LogLevel": "ERROR",
        "ServerAliveCountMax": "3",
        "ServerAliveInterval": "5",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(folder / f"{address.stack}.hosts"),
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return ["ssh", "-F", "none", *words, f"root@{address.ipv4}"]
