"""The nixpkgs that is held against."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from components import pins, upstream
from components.make_pins import LOCAL
from components.nar import NarError, tree_hash
from sandbox.paths import CACHE

_FETCHED = CACHE / "nixpkgs"


def nixpkgs() -> Path | None:
    """The one in the environment's NIXPKGS, or the one that NIX_PATH has. None without.

    Raises:
        SystemExit: the pinned one is asked for, and cannot be had.
    """
    if given := os.environ.get("NIXPKGS"):
        return _pinned() if given == "pinned" else Path(given).resolve()
    found = subprocess.run(
        ["nix-instantiate", "--find-file", "nixpkgs"], capture_output=True, text=True, check=False
    )
    return Path(found.stdout.strip()) if found.returncode == 0 else None


def what_is_missing() -> str | None:
    """Why nothing can be held against a real nixpkgs on this computer; None where it can."""
    if not shutil.which("nix-instantiate"):
        return "no Nix on this computer: https://nixos.org/download"
    if nixpkgs() is None:
        return "no nixpkgs: name one by NIXPKGS=/path, or NIXPKGS=pinned for the one that hosts get"
    return None


def end(command: str, missing: str) -> int:
    """The exit status of a command that something is missing for, which is said.

    Whoever names a nixpkgs wants the command to run. Without, it counts as skipped.
    """
    named = bool(os.environ.get("NIXPKGS"))
    print(f"make {command}: {missing}" if named else f"skipped: {missing}")  # noqa: T201
    return 1 if named else 0


def _pinned() -> Path:
    """That of the newest release with a pin, fetched and checked by its hash."""
    try:
        release, pin = max(pins.read(LOCAL).nixpkgs.items())
        if pin.sha256 is None:
            raise pins.PinsError(f"that of {release} has no hash yet; run `make pins`")
        tree = _FETCHED / pin.url.split("/")[-2]
        if not tree.exists():
            _fetch(pin.url, pin.sha256, tree)
    except (pins.PinsError, upstream.UpstreamError, NarError) as error:
        sys.exit(f"NIXPKGS=pinned: {error}")
    return tree


def _fetch(url: str, sha256: str, tree: Path) -> None:
    _FETCHED.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".fetching-", dir=_FETCHED) as folder:
        tarball, unpacked = Path(folder, "nixexprs.tar.xz"), Path(folder, "tree")
        with tarball.open("w+b") as file:
            upstream.fetch(url, Console(stderr=True), file)
            file.seek(0)
            if (found := tree_hash(file)) != sha256:
                raise pins.PinsError(f"{url} has the hash {found}, but the pin says {sha256}")
        with tarfile.open(tarball) as archive:
            # Its hash is the pinned one. (Debian 12's Python has no filters of its own.)
            archive.extraction_filter = lambda member, _: member
            archive.extractall(unpacked)  # noqa: S202 - see above
        (top,) = unpacked.iterdir()
        top.rename(tree)
