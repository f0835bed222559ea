"""The miniature nixpkgs as nixexprs.tar.xz: the same bytes each time, named after them."""

from __future__ import annotations

import base64
import hashlib
import io
import lzma
import struct
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_PARTS = ("default.nix", "lib", "nixos", "pkgs")


@dataclass(frozen=True)
class Release:
    """One release of nixpkgs, as releases.nixos.org would serve it."""

    name: str
    """`nixos-26.05.1.0123456789ab`, which is also the one folder in the tarball."""
    url: str
    """Where a machine fetches it."""
    content: bytes
    """The tarball."""
    nar_hash: str
    """`sha256-…` of the unpacked folder, as `nix-hash --type sha256 --sri` prints it."""


def make(release: str, number: int = 1) -> Release:
    """Pack the miniature nixpkgs as a release.

    Args:
        release: the release line, as in `26.05`.
        number: later releases of one line have higher ones; the number alone makes another release.
    """
    tree = {path: content for path, content in _files() if path != ".version"}
    tree[".version"] = release.encode()
    revision = hashlib.sha256(nar({**tree, "number": str(number).encode()})).hexdigest()[:40]
    suffix = f".{number}.{revision[:12]}"
    tree[".version-suffix"] = suffix.encode()
    tree[".git-revision"] = revision.encode()
    name = f"nixos-{release}{suffix}"
    return Release(
        name=name,
        url=f"https://releases.nixos.org/nixos/{release}/{name}/nixexprs.tar.xz",
        content=_tarball(name, tree),
        nar_hash="sha256-" + base64.b64encode(hashlib.sha256(nar(tree)).digest()).decode(),
    )


def _files() -> Iterator[tuple[str, bytes]]:
    """The files that belong to nixpkgs, by their paths in it."""
    for part in _PARTS:
        start = HERE / part
        for path in sorted(start.rglob("*")) if start.is_dir() else [start]:
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(HERE).as_posix(), path.read_bytes()


def _tarball(folder: str, tree: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in sorted(tree.items()):
            entry = tarfile.TarInfo(f"{folder}/{path}")
            entry.size = len(content)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
    return lzma.compress(buffer.getvalue())


def nar(tree: Mapping[str, bytes]) -> bytes:
    """A folder of plain files in Nix's archive format, of which Nix takes its hashes.

    Args:
        tree: each file's content by its path, with slashes.
    """
    return _string(b"nix-archive-1") + _folder(tree)


def _folder(tree: Mapping[str, bytes]) -> bytes:
    folders: dict[str, dict[str, bytes]] = {}
    nodes: dict[str, bytes] = {}
    for path, content in tree.items():
        name, _, rest = path.partition("/")
        if rest:
            folders.setdefault(name, {})[rest] = content
        else:
            nodes[name] = _strings(b"(", b"type", b"regular", b"contents", content, b")")
    nodes.update({name: _folder(inside) for name, inside in folders.items()})
    entries = b"".join(
        _strings(b"entry", b"(", b"name", name, b"node") + nodes[name.decode()] + _string(b")")
        for name in sorted(name.encode() for name in nodes)
    )
    return _strings(b"(", b"type", b"directory") + entries + _string(b")")


def _strings(*values: bytes) -> bytes:
    return b"".join(map(_string, values))


def _string(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value + b"\0" * (-len(value) % 8)
