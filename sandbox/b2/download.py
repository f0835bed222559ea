"""Downloads, by ID and by name, whole or one range of bytes."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.responses import FileResponse, Response

from sandbox.b2.errors import B2Error
from sandbox.b2.store import Store, Version


class _Bytes(FileResponse):
    chunk_size = 1 << 20  # a hop to a thread for each


def respond(store: Store, version: Version, asked_range: str | None) -> Response:
    """The bytes, or the ones asked for. Raises B2Error for a range that is not in the file."""
    if version.action != "upload":
        raise B2Error(404, "not_found", f"File is hidden: {version.name}")
    _check_range(asked_range, version.size)
    headers = {
        "X-Bz-File-Id": version.id,
        "X-Bz-File-Name": quote(version.name),
        "X-Bz-Content-Sha1": version.sha1 or "none",
        "X-Bz-Upload-Timestamp": str(version.uploaded),
        "Cache-Control": "max-age=0, no-cache, no-store",
        **{f"X-Bz-Info-{name}": quote(value) for name, value in version.info.items()},
    }
    return _Bytes(
        store.content(version), headers=headers, media_type=version.content_type or "text/plain"
    )


def _check_range(asked: str | None, size: int) -> None:
    """B2 knows one range of bytes, and passes over what it cannot read."""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "")
    if found and (int(found[1]) >= size or (found[2] and int(found[2]) < int(found[1]))):
        raise B2Error(
            416, "range_not_satisfiable", "The Range in the request is outside the file's size"
        )
