"""Official downloads."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

import httpx

_TIMEOUT = httpx.Timeout(10.0, connect=3.0)
"""Seconds for the next piece, and for a connection: a network without these hosts is no reason to wait."""


class Downloads:
    """Downloads that give a host up for the rest of a run when it cannot be reached once."""

    def __init__(self) -> None:
        self._unreachable: set[str] = set()

    def fetch(self, urls: tuple[str, ...], names: tuple[str, ...], out: Path) -> bool:
        """Put the named programs out of archives (.tar.gz or .zip) into a directory, or return False."""
        unpacked = all(self._unpack(url, names, out) for url in urls)
        return unpacked and all((out / name).exists() for name in names)

    def _unpack(self, url: str, names: tuple[str, ...], out: Path) -> bool:
        host = urlsplit(url).netloc
        if host in self._unreachable:
            return False
        archive = out / "archive"
        try:
            _save(url, archive)
            with _members(archive) as members:
                for path, content in members:
                    if path.name in names:
                        _store(content, out / path.name)
        except (httpx.HTTPError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
            if isinstance(error, httpx.TransportError):
                self._unreachable.add(host)
            return False
        finally:
            archive.unlink(missing_ok=True)
        return True


def _save(url: str, path: Path) -> None:
    with httpx.stream("GET", url, timeout=_TIMEOUT, follow_redirects=True) as answer:
        answer.raise_for_status()
        with path.open("wb") as file:
            for piece in answer.iter_bytes():
                file.write(piece)


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[tuple[PurePosixPath, IO[bytes]]]]:
    """The regular files of an archive, each with its path and content."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            entries = [entry for entry in zipped.infolist() if not entry.is_dir()]
            yield ((PurePosixPath(entry.filename), zipped.open(entry)) for entry in entries)
    else:
        with tarfile.open(archive) as tar:
            yield (
                (PurePosixPath(entry.name), content)
                for entry in tar
                if entry.isfile() and (content := tar.extractfile(entry))
            )


def _store(content: IO[bytes], path: Path) -> None:
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file)
    path.chmod(0o755)
