"""The nixpkgs that is held against."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

NONE = "no nixpkgs to hold the configuration against: make test-nixos NIXPKGS=/path/to/nixpkgs"


def nixpkgs() -> Path | None:
    """The one in the environment's NIXPKGS, or the one that NIX_PATH has. None without."""
    if given := os.environ.get("NIXPKGS"):
        return Path(given).resolve()
    if not shutil.which("nix-instantiate"):
        return None
    found = subprocess.run(
        ["nix-instantiate", "--find-file", "nixpkgs"], capture_output=True, text=True, check=False
    )
    return Path(found.stdout.strip()) if found.returncode == 0 else None
