"""The cache: one directory for each tool in each version, complete or not there."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import golang
from .tool import Tool

_UNFINISHED = ".unfinished-"
_HOW = (golang.GO.parents[1] / "VERSION", Path(golang.__file__))
"""The version of Go, and how it is called."""

_GENERATED = "generated"  # made in a copy of the sources, never in the checkout


class Store:
    """Entries under `root`, built from the Go sources in `sources`."""

    def __init__(self, root: Path, sources: Path) -> None:
        self.root = root
        self.sources = sources

    def entry(self, tool: Tool) -> Path:
        """The directory that holds a tool's programs, whether it is there or not."""
        return self.root / f"{tool.name}-{tool.version}-{self._digest(tool)}"

    def has(self, tool: Tool) -> bool:
        """Whether every program of the tool is there."""
        return all((self.entry(tool) / name).exists() for name in tool.files)

    def add(self, tool: Tool, fill: Callable[[Path], None]) -> None:
        """Let `fill` put the tool's programs into a new directory; when it raises, none is left."""
        with self.scratch() as unfinished:
            fill(unfinished)
            shutil.rmtree(self.entry(tool), ignore_errors=True)  # one whose programs have gone
            unfinished.rename(self.entry(tool))

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A directory beside the entries that is removed in the end, unless it was renamed."""
        directory = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.root))
        directory.chmod(0o755)
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def copy_sources(self, target: Path) -> None:
        """A copy of the Go sources to build in."""
        shutil.copytree(self.sources, target, ignore=shutil.ignore_patterns("*.json"))

    @contextmanager
    def locked(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the store's lock; `waiting` is called when somebody else has it."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(lock, fcntl.LOCK_EX)
            for left_over in self.root.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(left_over, ignore_errors=True)
            yield

    def _digest(self, tool: Tool) -> str:
        digest = hashlib.sha256()
        for path in (*_HOW, Path(tool.build.__code__.co_filename)):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        for name in ("go.mod", "go.sum", *tool.sources):
            for path in _files(self.sources / name):
                digest.update(f"{path.relative_to(self.sources)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:12]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    inside = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in inside if _GENERATED not in file.parts)
