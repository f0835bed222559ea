"""Commands that end within their limit, or with a sentence."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.errors import SandboxError

_TAIL = 2000


def run(
    command: Sequence[str],
    *,
    seconds: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end, whatever its status is.

    Args:
        command: the command line.
        seconds: its limit: several times what it takes.
        environment: instead of our own.
        folder: where it runs.

    Raises:
        SandboxError: it did not end in time, and was killed; the message has the end of what it printed.
    """
    try:
        return subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired as error:
        printed = end_of(error.stdout, error.stderr)
        raise SandboxError(f"{late(command, seconds)} {printed}") from None


def late(command: Sequence[str], seconds: float) -> str:
    """What is said of a command that did not end."""
    return f"`{' '.join(command)}` did not end within {seconds:.0f} seconds, and was stopped."


def end_of(*printed: bytes | None) -> str:
    """What is said of what a command has printed."""
    said = b"".join(each or b"" for each in printed).decode(errors="replace").strip()
    return f"The end of what it printed:\n{said[-_TAIL:]}" if said else "It printed nothing."
