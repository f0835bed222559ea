"""What a mount has to do: a function for each. What they read is compared with what is in the bucket."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.media.library import ANALYSED_BYTES, FILM, SCANNED, STREAMS, Made, analysed

FIRST_BYTES = 64 * 1024
SOUGHT_BYTES = 4_000_000
_BLOCK = 128 * 1024


def scan(mount: Path, made: Made) -> int:
    """Look at every file of the library, as Plex does: its name, size and date. No byte is read."""
    seen = 0
    with os.scandir(mount / SCANNED) as folders:
        for folder in folders:
            with os.scandir(folder.path) as files:
                seen += sum(file.stat().st_size for file in files)
    if seen != made.library.listed:
        raise AssertionError(f"{seen} files of {made.library.listed}")
    return 0


class Opened:
    """A film that is open: its first bytes, and those after a seek to its middle."""

    def __init__(self, mount: Path, made: Made) -> None:
        self._path, self._original, self._size = (
            mount / FILM,
            made.original(FILM),
            made.library.film,
        )
        self._file = -1

    def first(self) -> int:
        self._file = os.open(self._path, os.O_RDONLY)
        return self._read(0, FIRST_BYTES)

    def seek(self) -> int:
        return self._read(self._size // 2, SOUGHT_BYTES)

    def close(self) -> None:
        os.close(self._file)

    def _read(self, start: int, size: int) -> int:
        with self._original.open("rb") as original:
            original.seek(start)
            for at in range(start, start + size, _BLOCK):
                length = min(_BLOCK, start + size - at)
                _same(os.pread(self._file, length, at), original.read(length), self._path)
        return size


def stream(mount: Path, made: Made, number: int) -> int:
    """Read one file from end to end."""
    path = mount / STREAMS[number]
    with (
        path.open("rb", buffering=0) as file,
        made.original(STREAMS[number]).open("rb") as original,
    ):
        while block := original.read(_BLOCK):
            _same(file.read(len(block)), block, path)
    return made.library.stream


def four_streams(mount: Path, made: Made) -> int:
    """Read four files at once."""
    with ThreadPoolExecutor(4) as readers:
        return sum(readers.map(lambda number: stream(mount, made, number), range(1, 5)))


def analysis(mount: Path, made: Made) -> int:
    """Read the beginning of each new file, one after the other."""
    expected = made.original(analysed(0)).read_bytes()[:ANALYSED_BYTES]
    for number in range(made.library.analysed):
        path = mount / analysed(number)
        with path.open("rb", buffering=0) as file:
            _same(b"".join(file.read(_BLOCK) for _ in range(2)), expected, path)
    return made.library.analysed * ANALYSED_BYTES


Work = Callable[[], int]
"""Returns how many bytes were read."""


def _same(read: bytes, expected: bytes, path: Path) -> None:
    if read != expected:
        raise AssertionError(f"{path} is not what is in the bucket")
