"""b2_upload_file and b2_upload_part: a whole file, or a part of a large one, in one request."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sandbox.b2 import large
from sandbox.b2.errors import B2Error, bad_request
from sandbox.b2.keys import Key
from sandbox.b2.large import Part
from sandbox.b2.names import check_file_name
from sandbox.b2.store import Store, Version

_INFO = "x-bz-info-"
_HEX_LENGTH = 40


@dataclass(frozen=True)
class _Arrived:
    """Bytes that came with the SHA-1 that was said."""

    path: Path
    size: int
    sha1: str


async def receive(
    store: Store, key: Key, bucket_id: str, headers: Mapping[str, str], body: AsyncIterator[bytes]
) -> Version:
    """Stores the request's body as a new version.

    Raises:
        B2Error: a header is missing or wrong, the key may not, or the bytes have another SHA-1.
    """
    name = check_file_name(unquote(_header(headers, "x-bz-file-name")))
    key.require("writeFiles", bucket_id, name)
    store.bucket(bucket_id)
    async with _arriving(store, bucket_id, headers, body) as arrived:
        return store.upload(
            bucket_id,
            name,
            arrived.path,
            size=arrived.size,
            sha1=arrived.sha1,
            content_type=content_type(headers.get("content-type", ""), name),
            info={k[len(_INFO) :]: unquote(v) for k, v in headers.items() if k.startswith(_INFO)},
        )


async def receive_part(
    store: Store, key: Key, file_id: str, headers: Mapping[str, str], body: AsyncIterator[bytes]
) -> Part:
    """Adds the request's body to a large file. Raises as `receive` does."""
    started = store.active(file_id)
    key.require("writeFiles", started.bucket_id, started.name)
    number = large.part_number(_header(headers, "x-bz-part-number"))
    async with _arriving(store, started.bucket_id, headers, body) as arrived:
        return large.add_part(store, file_id, number, arrived.path, arrived.sha1)


def content_type(asked: str, name: str) -> str:
    """The type that is kept: b2/x-auto leaves it to the name."""
    if asked != "b2/x-auto":
        return asked or "application/octet-stream"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


@asynccontextmanager
async def _arriving(
    store: Store, bucket_id: str, headers: Mapping[str, str], body: AsyncIterator[bytes]
) -> AsyncIterator[_Arrived]:
    """The body on disk, for as long as it takes to make something of it."""
    expected = _header(headers, "x-bz-content-sha1")
    path = store.incoming(bucket_id)
    try:
        size, sha1 = await _write(path, body, at_end=expected == "hex_digits_at_end")
        if expected == "hex_digits_at_end":
            sha1, expected = sha1.split()
        if expected == "do_not_verify":
            expected = sha1
        if expected.removeprefix("unverified:") != sha1:
            raise bad_request("Sha1 did not match data received")
        yield _Arrived(path, size, sha1)
    finally:
        path.unlink(missing_ok=True)


async def _write(path: Path, body: AsyncIterator[bytes], *, at_end: bool) -> tuple[int, str]:
    """The bytes' count and SHA-1. With `at_end` the last 40 are no data but follow that SHA-1."""
    sha1 = hashlib.sha1(usedforsecurity=False)
    size, held = 0, b""
    with path.open("wb") as file:
        async for chunk in body:
            held += chunk
            ready = len(held) - _HEX_LENGTH if at_end else len(held)
            if ready > 0:
                sha1.update(held[:ready])
                size += file.write(held[:ready])
                held = held[ready:]
    if not at_end:
        return size, sha1.hexdigest()
    if not re.fullmatch(rb"[0-9a-f]{40}", held):
        raise bad_request("Missing SHA-1 at the end of the data")
    return size, f"{sha1.hexdigest()} {held.decode()}"


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise B2Error(400, "bad_request", f"Missing header: {name}")
    return value
