"""The hash that Nix knows a tree by, taken from its tarball: without Nix, and without unpacking it.

Nix hashes a tree as a "Nix archive": names, executable bits, links and contents, the names in the order of
their bytes. The format is described in Nix's manual, under "Nix Archive (NAR) format".
"""

from __future__ import annotations

import base64
import hashlib
import lzma
import shutil
import struct
import tarfile
from tempfile import TemporaryFile
from typing import BinaryIO

_Tree = dict[bytes, "tarfile.TarInfo | _Tree"]


class NarError(ValueError):
    """A file is no tarball of one folder. The message says what it is instead."""


def tree_hash(tarball: BinaryIO) -> str:
    """The hash of the one folder in a .tar.xz, such as nixexprs.tar.xz.

    Returns:
        `sha256-…`, as `nix-hash --type sha256 --sri` prints it for the unpacked folder.

    Raises:
        NarError: it is damaged, or holds anything else.
    """
    with TemporaryFile() as plain:
        try:
            with lzma.open(tarball) as compressed:
                shutil.copyfileobj(compressed, plain)
            plain.seek(0)
            with tarfile.open(fileobj=plain, mode="r:") as archive:
                nar = _Nar(archive)
        except (lzma.LZMAError, tarfile.TarError, EOFError) as error:
            raise NarError(f"no whole .tar.xz: {error}") from error
    return "sha256-" + base64.b64encode(nar.digest.digest()).decode()


class _Nar:
    """The archive of a tarball's folder. Nothing of it is kept but its digest."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self.digest = hashlib.sha256()
        self._archive = archive
        self._put(b"nix-archive-1")
        self._node(_folder(archive))

    def _node(self, node: tarfile.TarInfo | _Tree) -> None:
        self._put(b"(", b"type")
        if isinstance(node, dict):
            self._put(b"directory")
            for name, inside in sorted(node.items()):
                self._put(b"entry", b"(", b"name", name, b"node")
                self._node(inside)
                self._put(b")")
        elif node.issym():
            self._put(b"symlink", b"target", _bytes(node.linkname))
        elif content := self._archive.extractfile(node):  # of a hard link, what it leads to
            self._put(b"regular")
            if node.mode & 0o100:
                self._put(b"executable", b"")
            self._put(b"contents", content.read())
        else:
            raise NarError(f"{node.name} is neither a file nor a folder nor a link")
        self._put(b")")

    def _put(self, *values: bytes) -> None:
        for value in values:
            self.digest.update(struct.pack("<Q", len(value)))
            self.digest.update(value)
            self.digest.update(b"\0" * (-len(value) % 8))


def _folder(archive: tarfile.TarFile) -> _Tree:
    root: _Tree = {}
    for member in archive:
        *folders, name = (_bytes(part) for part in member.name.split("/"))
        tree = root
        for folder in folders:
            inside = tree.setdefault(folder, {})
            if not isinstance(inside, dict):
                raise NarError(f"{member.name} lies in something that is no folder")
            tree = inside
        if member.isdir():
            tree.setdefault(name, {})
        else:
            tree[name] = member
    (only, *others) = root.values() or [None]
    if others or not isinstance(only, dict):
        raise NarError("not one folder")
    return only


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogateescape")
