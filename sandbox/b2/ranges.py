"""One range of bytes, as B2 knows it."""

from __future__ import annotations

import re

from sandbox.b2.errors import B2Error


def span(asked: str | None, size: int) -> range | None:
    """The bytes of a file that are asked for, or None for what is no range.

    Raises:
        B2Error: there is no such byte in the file.
    """
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "")
    if not found:
        return None
    first, last = int(found[1]), int(found[2] or size)
    if first >= size or last < first:
        raise B2Error(
            416, "range_not_satisfiable", "The Range in the request is outside the file's size"
        )
    return range(first, min(last + 1, size))
