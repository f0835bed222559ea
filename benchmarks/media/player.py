"""A player at a steady rate, and how long it stood still."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

RATE = 2_000_000
_BLOCK = 128 * 1024
# Shorter ones are what a player's own buffer is for.
_STALL = 0.5


@dataclass
class Player:
    """Plays a file from its beginning, in a thread.

    Attributes:
        stalls: from when to when it stood still, by time.monotonic.
        error: what ended it, if anything did.
    """

    path: Path
    original: Path
    stalls: list[tuple[float, float]] = field(default_factory=list)
    error: str = ""

    def __post_init__(self) -> None:
        self._over = Event()
        self._waits_since: float | None = None
        self._thread = Thread(target=self._play, daemon=True)
        self._thread.start()

    @property
    def stands_still(self) -> bool:
        """It waits for bytes at this moment, and should have them."""
        since = self._waits_since
        return since is not None and time.monotonic() - since > _STALL

    def stop(self) -> None:
        """Stop playing; one that stands still then is left standing."""
        self._over.set()
        self._thread.join(5)
        if self.stands_still and self._waits_since is not None:
            self.stalls.append((self._waits_since, time.monotonic()))
            self.error = "stood still to the end"

    def _play(self) -> None:
        due = time.monotonic()
        try:
            with self.path.open("rb", buffering=0) as file, self.original.open("rb") as original:
                while not self._over.is_set() and (expected := original.read(_BLOCK)):
                    self._waits_since = max(due, time.monotonic())
                    read = file.read(len(expected))
                    while len(read) < len(expected) and (
                        more := file.read(len(expected) - len(read))
                    ):
                        read += more  # up to an error, which then has its own name
                    now = time.monotonic()
                    if now - due > _STALL:
                        self.stalls.append((due, now))
                        due = now
                    self._waits_since = None
                    if read != expected:
                        self.error = "other bytes than those in the bucket"
                        return
                    due += len(expected) / RATE
                    self._over.wait(max(0, due - time.monotonic()))
        except OSError as error:
            self.error = os.strerror(error.errno or 0)
