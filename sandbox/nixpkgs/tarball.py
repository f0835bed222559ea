"""The miniature nixpkgs as nixexprs.tar.xz: the same bytes each time, named after them."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.nar import tree_hash

HERE = Path(__file__).parent
RELEASE = (HERE / ".version").read_text().strip()
"""The sandbox's and the tests' own, whose end no calendar reaches."""
NEXT_RELEASE = "99.11"
_PARTS = ("default.nix", "lib", "nixos", "pkgs")


@dataclass(frozen=True)
class Release:
    """One release of nixpkgs, as releases.nixos.org would serve it."""

    name: str
    """`nixos-99.05.1.0123456789ab`, which is also the one folder in the tarball."""
    url: str
    """Where a machine fetches it."""
    content: bytes
    """The tarball."""
    nar_hash: str
    """`sha256-…` of the unpacked folder, as `nix-hash --type sha256 --sri` prints it."""


def make(release: str, number: int = 1) -> Release:
    """Pack the miniature nixpkgs as a release.

    Args:
        release: the release line, as in `99.05`.
        number: later releases of one line have higher ones; the number alone makes another release.
    """
    tree = {path: content for path, content in _files() if path != ".version"}
    tree[".version"] = release.encode()
    numbered = _tar("", {**tree, "number": str(number).encode()})
    revision = hashlib.sha256(numbered).hexdigest()[:40]
    suffix = f".{number}.{revision[:12]}"
    tree[".version-suffix"] = suffix.encode()
    tree[".git-revision"] = revision.encode()
    name = f"nixos-{release}{suffix}"
    content = lzma.compress(_tar(name, tree))
    return Release(
        name=name,
        url=f"https://releases.nixos.org/nixos/{release}/{name}/nixexprs.tar.xz",
        content=content,
        nar_hash=tree_hash(io.BytesIO(content)),
    )


def _files() -> Iterator[tuple[str, bytes]]:
    """The files that belong to nixpkgs, by their paths in it."""
    for part in _PARTS:
        start = HERE / part
        for path in sorted(start.rglob("*")) if start.is_dir() else [start]:
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(HERE).as_posix(), path.read_bytes()


def _tar(folder: str, tree: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in sorted(tree.items()):
            entry = tarfile.TarInfo(f"{folder}/{path}")
            entry.size = len(content)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
