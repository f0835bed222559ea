"""What Plex sees of the media: a scan of the folder at each question."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True)
class Part:
    """One file. `number` follows from its path, so that it stays the same."""

    number: int
    path: Path
    size: int  # bytes


def scan(media: Path) -> list[Part]:
    """Every file under the folder, by path. A folder that is not there is empty."""
    return [
        Part(_number(path.relative_to(media)), path, path.stat().st_size)
        for path in sorted(media.rglob("*"))
        if path.is_file()
    ]


def listing(parts: list[Part], views: Mapping[int, int]) -> ElementTree.Element:
    """As /library/all answers: one Video for each file, with the key of its bytes.

    Args:
        parts: what there is.
        views: how often each was watched, of those that the database knows.
    """
    container = ElementTree.Element("MediaContainer", size=str(len(parts)))
    for part in parts:
        video = ElementTree.SubElement(
            container,
            "Video",
            ratingKey=str(part.number),
            key=f"/library/metadata/{part.number}",
            type="movie",
            title=part.path.stem,
        )
        if part.number in views:
            video.set("viewCount", str(views[part.number]))
        ElementTree.SubElement(
            ElementTree.SubElement(video, "Media", id=str(part.number)),
            "Part",
            id=str(part.number),
            key=f"/library/parts/{part.number}/file",
            file=str(part.path),
            size=str(part.size),
        )
    return container


def _number(path: Path) -> int:
    return int(hashlib.sha256(str(path).encode()).hexdigest()[:12], 16)
