"""Large files: the parts on disk, and the one file that is made of them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.b2.errors import B2Error, bad_request
from sandbox.b2.store import Store, Version

SMALLEST_PART_BYTES = 5_000_000
_MOST_PARTS = 10_000


@dataclass(frozen=True)
class Part:
    """A part of a large file that is not finished."""

    number: int
    size: int
    sha1: str
    uploaded: int  # milliseconds since 1970
    path: Path


def part_number(asked: str) -> int:
    """Raises B2Error for what is no number of a part."""
    if not asked.isdecimal() or not 1 <= int(asked) <= _MOST_PARTS:
        raise bad_request(f"Part number must be between 1 and {_MOST_PARTS}: {asked}")
    return int(asked)


def add_part(store: Store, file_id: str, number: int, arrived: Path, sha1: str) -> Part:
    """Makes what has arrived a part, in place of an earlier one with that number.

    Raises:
        B2Error: the large file was finished or cancelled in the meantime.
    """
    started = store.active(file_id)
    earlier = [part for part in parts(store, started) if part.number == number]
    # What there is to know of a part is its file's name, so that it is there whole or not at all.
    path = store.parts(started) / f"{number:05}-{store.now()}-{sha1}"
    path.parent.mkdir(exist_ok=True)
    arrived.replace(path)
    for part in earlier:
        part.path.unlink()
    return _part(path)


def parts(store: Store, started: Version) -> list[Part]:
    """By number."""
    folder = store.parts(started)
    found = [_part(path) for path in folder.iterdir()] if folder.exists() else []
    newest = {part.number: part for part in sorted(found, key=lambda part: part.uploaded)}
    return [newest[number] for number in sorted(newest)]


def finish(store: Store, started: Version, sha1s: Sequence[str]) -> Version:
    """Makes one file of the parts. Raises B2Error unless they are all there, as told and big enough."""
    if len(sha1s) < 2:
        raise bad_request("large files must have at least 2 parts")
    there = parts(store, started)
    by_number = {part.number: part for part in there}
    for number, sha1 in enumerate(sha1s, 1):
        if number not in by_number:
            raise B2Error(400, "missing_part", f"Part number has not been uploaded: {number}")
        if by_number[number].sha1 != sha1:
            raise B2Error(400, "part_sha1_mismatch", f"Part number {number} has wrong SHA1")
    if len(there) > len(sha1s):
        raise bad_request(f"Part number {there[-1].number} is not in partSha1Array")
    for part in there:
        smallest = 1 if part is there[-1] else SMALLEST_PART_BYTES
        if part.size < smallest:
            raise bad_request(f"Part number {part.number} is smaller than {smallest} bytes")
    whole = store.incoming(started.bucket_id)
    try:
        _join([part.path for part in there], whole)
        return store.finish(started, whole, sum(part.size for part in there))
    finally:
        whole.unlink(missing_ok=True)


def _part(path: Path) -> Part:
    number, uploaded, sha1 = path.name.split("-")
    return Part(int(number), path.stat().st_size, sha1, int(uploaded), path)


def _join(pieces: Sequence[Path], whole: Path) -> None:
    with whole.open("wb") as to:
        for piece in pieces:
            with piece.open("rb") as part:
                shutil.copyfileobj(part, to, 1 << 20)
