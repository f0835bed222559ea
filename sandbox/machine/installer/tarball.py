"""The installer's tarball: the same names as nixos-images', and the same bytes each time it is made."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

NAME = "nixos-kexec-installer-noninteractive-x86_64-linux.tar.gz"

_PROGRAMS = Path(__file__).parent / "kexec"
_KERNEL = b"The sandbox has no kernel to boot.\n"


def tarball() -> bytes:
    """kexec/{run,kexec,ip,bzImage,initrd}. The initrd is empty: kexec/run appends what it carries over."""
    members = {program.name: program.read_bytes() for program in _PROGRAMS.iterdir()}
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in sorted({**members, "bzImage": _KERNEL, "initrd": b""}.items()):
            entry = tarfile.TarInfo(f"kexec/{name}")
            entry.size = len(content)
            entry.mode = 0o755 if name in members else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
