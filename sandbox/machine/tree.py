"""Folders of files that become layers of a root."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

ROOTS = Path(__file__).parent / "roots"

# A layer's folder decides the mode of the folder below it, and these two are not as the others.
_MODES = {"root": 0o700, "tmp": 0o1777}


def digest(directory: Path) -> str:
    """A hash of the folder's names, modes and contents."""
    found = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            found.update(f"{path.relative_to(directory)}\0{_mode(path):o}\0".encode())
            found.update(path.read_bytes() + b"\0")
    return found.hexdigest()


def copy(source: Path, target: Path) -> None:
    """Copy the files in `source` over those in `target`, as root's, whoever owns the checkout."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            write(target / path.relative_to(source), path.read_bytes(), _mode(path), target)


def write(path: Path, content: bytes | str, mode: int, root: Path) -> None:
    """Write a file of the tree at `root`, with the folders above it."""
    folder(path.parent, root)
    path.unlink(missing_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)


def link(path: Path, target: str, root: Path) -> None:
    """Make or replace a symbolic link in the tree at `root`."""
    folder(path.parent, root)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def folder(path: Path, root: Path) -> None:
    """Make a folder of the tree at `root`, readable by everybody unless it is one that is not."""
    for each in [*reversed(path.relative_to(root).parents), path.relative_to(root)]:
        made = root / each
        # A base's /bin and /lib are links.
        if not made.exists():
            made.mkdir(parents=True)
            made.chmod(_MODES.get(str(each), 0o755))


def bring(source: Path, target: Path, root: Path) -> None:
    """Put a large file into the tree without copying it where both lie on one file system."""
    folder(target.parent, root)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o100 else 0o644
