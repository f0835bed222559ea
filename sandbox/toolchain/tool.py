"""What one tool is, and the ways to get it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .golang import Workshop


def _never() -> Mapping[str, Path] | None:
    return None


@dataclass(frozen=True)
class Tool:
    """Programs that come together: one download, one build, one entry in the cache."""

    name: str
    version: str
    files: tuple[str, ...]
    """The programs' file names."""

    build: Callable[[Workshop, Path], None]
    """Builds every file into a directory; raises `BuildError`."""

    urls: tuple[str, ...]
    """The official archives for this kind of computer, which hold all files together."""

    sources: tuple[str, ...] = ()
    """Files and directories of `sandbox/plugins` that the build reads besides its go.mod and go.sum."""

    installed: Callable[[], Mapping[str, Path] | None] = _never
    """Finds all files of a version that is new enough where the computer has them already."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"
