"""Downloads, by ID and by name, whole or one range of bytes."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import FileResponse, Response

from sandbox.b2 import ranges
from sandbox.b2.errors import B2Error
from sandbox.b2.store import Store, Version


class _Bytes(FileResponse):
    chunk_size = 1 << 20  # a hop to a thread for each


def respond(store: Store, version: Version, asked_range: str | None) -> Response:
    """The bytes, or the ones asked for. Raises B2Error for a range that is not in the file."""
    if version.action != "upload":
        raise B2Error(404, "not_found", f"File is hidden or not finished: {version.name}")
    ranges.span(asked_range, version.size)
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
