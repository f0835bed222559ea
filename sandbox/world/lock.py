"""One daemon for each sandbox: its process ID in a file that it holds locked as long as it lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from sandbox.errors import SandboxError


class AlreadyRunningError(SandboxError):
    """Another daemon holds the lock. The message names its process."""


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Holds the lock.

    Raises:
        AlreadyRunningError: somebody else holds it.
    """
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(f"process {path.read_text().strip()} holds {path}") from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def holder(path: Path) -> int | None:
    """The process that holds the lock, if there is one."""
    if not path.exists():
        return None
    with path.open() as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                # Whoever has just taken it writes its number next.
                if text := path.read_text().strip():
                    return int(text)
                time.sleep(0.01)
            else:
                return None
