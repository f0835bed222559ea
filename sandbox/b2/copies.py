"""Copies of files, and of ranges of them, that never leave the service."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.b2 import ranges
from sandbox.b2.errors import B2Error, bad_request
from sandbox.b2.store import Store, Version

_MOST_BYTES = 5_000_000_000
_CHUNK_BYTES = 1 << 20


@contextmanager
def copied(
    store: Store, source: Version, asked_range: str | None, bucket_id: str
) -> Iterator[tuple[Path, int, str]]:
    """The bytes in a file of their own, their count and SHA-1, to make something of in that bucket.

    Raises:
        B2Error: they are not in the file, or too many for one call.
    """
    span = ranges.span(asked_range, source.size) if asked_range else range(source.size)
    if span is None:
        raise bad_request(f"Invalid range: {asked_range}")
    if len(span) > _MOST_BYTES:
        raise B2Error(400, "source_too_large", f"Copy source too big: {len(span)}")
    path = store.incoming(bucket_id)
    try:
        yield path, len(span), _write(store.content(source), span, path)
    finally:
        path.unlink(missing_ok=True)


def _write(source: Path, span: range, path: Path) -> str:
    sha1 = hashlib.sha1(usedforsecurity=False)
    with source.open("rb") as original, path.open("wb") as copy:
        original.seek(span.start)
        for at in range(span.start, span.stop, _CHUNK_BYTES):
            chunk = original.read(min(_CHUNK_BYTES, span.stop - at))
            sha1.update(chunk)
            copy.write(chunk)
    return sha1.hexdigest()
