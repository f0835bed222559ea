"""What is in the bucket: a library to scan, films to play, and files to analyse."""

from __future__ import annotations

import hashlib
import os
import random
from dataclasses import dataclass
from pathlib import Path

from sandbox.b2.keys import Key, KeyRing
from sandbox.b2.store import Store

BUCKET = "films-and-music"
KEY = Key(
    "0005a1b2c3d4e5f0000000001",
    "K005" + 27 * "m",
    "the benchmark's",
    ("listBuckets", "listFiles", "readFiles"),
)
ANALYSED_BYTES = 256 * 1024
_MB = 1_000_000


@dataclass(frozen=True)
class Library:
    """Counts of files, and sizes in bytes.

    Attributes:
        folders: with files that are only ever listed, `in_each` in each.
        analysed: files of 64 MB, of which Plex's analysis reads the first ANALYSED_BYTES.
        film: the size of the file that is opened, sought in, and played through outages.
        stream: the sizes of those that are read from end to end.
    """

    folders: int
    in_each: int
    analysed: int
    film: int
    stream: int

    @property
    def listed(self) -> int:
        """How many files a scan sees."""
        return self.folders * self.in_each


FULL = Library(folders=500, in_each=20, analysed=200, film=1000 * _MB, stream=300 * _MB)
QUICK = Library(folders=100, in_each=20, analysed=40, film=500 * _MB, stream=100 * _MB)
STREAMS = tuple(f"Films/stream-{number}.mkv" for number in range(5))
FILM = "Films/film.mkv"
SCANNED = "Series"


def analysed(number: int) -> str:
    """The name of one of the files that are analysed."""
    return f"New/{number:03}.mkv"


class Made:
    """The bucket on disk, and what its files hold."""

    def __init__(self, folder: Path, library: Library) -> None:
        """Make it; `folder` is the stand-in's."""
        self.library = library
        KeyRing(folder / "keys.json").put(KEY)
        self._store = Store(folder / "buckets")
        self._bucket = self._store.create_bucket(BUCKET, "allPrivate").id
        for number in range(library.listed):
            name = f"{SCANNED}/Season {number % library.folders:03}/{number:05}.mkv"
            self._put(name, [b"."])
        self._put(FILM, _noise(1, library.film))
        for seed, name in enumerate(STREAMS, 2):
            self._put(name, _noise(seed, library.stream))
        source = self._put(analysed(0), _noise(7, 64 * _MB))
        for number in range(1, library.analysed):
            self._put(analysed(number), source)

    def original(self, name: str) -> Path:
        """The file in the stand-in's own store."""
        version = self._store.current(self._bucket, name)
        if version is None:
            raise FileNotFoundError(name)
        return self._store.content(version)

    def _put(self, name: str, content: list[bytes] | Path) -> Path:
        arrived = self._store.incoming(self._bucket)
        if isinstance(content, Path):
            os.link(content, arrived)
        else:
            with arrived.open("wb") as file:
                file.writelines(content)
        with arrived.open("rb") as file:
            sha1 = hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False))
        self._store.upload(
            self._bucket,
            name,
            arrived,
            size=arrived.stat().st_size,
            sha1=sha1.hexdigest(),
            content_type="video/x-matroska",
            info={},
        )
        return self.original(name)


def _noise(seed: int, size: int) -> list[bytes]:
    """Blocks of bytes of which no two are the same, `size` in all."""
    block = random.Random(seed).randbytes(_MB)  # noqa: S311 - any bytes
    blocks = [number.to_bytes(8, "big") + block[8:] for number in range(size // _MB)]
    return [*blocks, block[: size % _MB]]
