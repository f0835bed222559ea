"""What one tool is, and how it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .golang import Workshop


@dataclass(frozen=True)
class Tool:
    """Programs that come together: one build, one entry in the cache."""

    name: str
    version: str
    files: tuple[str, ...]
    """The programs' file names."""

    build: Callable[[Workshop, Path], None]
    """Builds every file into a directory; raises `BuildError`."""

    sources: tuple[str, ...] = ()
    """Files and directories of `sandbox/plugins` that the build reads besides its go.mod and go.sum."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"
