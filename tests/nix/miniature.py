"""Asking the miniature nixpkgs: evaluation, and builds in a store of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.nixpkgs import tarball

NIXPKGS = Path(tarball.__file__).parent

# What no system is without.
BASE = """
  boot.loader.grub.devices = [ "/dev/sda" ];
  fileSystems."/" = { device = "/dev/disk/by-label/nixos"; fsType = "ext4"; };
  networking.useNetworkd = true;
"""

# Builders are the computer's own programs, so that those for Arm run here, too.
_CONFIG = """
sandbox = false
substitute = false
build-users-group =
extra-platforms = aarch64-linux x86_64-linux
"""

# Builds see the gixy of this environment where they would see a machine's.
_WITH_GIXY = (
    *("unshare", "--mount", "sh", "-euc"),
    """
      found=$1 made=$2
      shift 2
      mkdir -p /usr/local/bin "$made"
      ln -sf "$found" "$made/gixy"
      mount -t overlay -o "lowerdir=$made:/usr/local/bin" gixy /usr/local/bin
      exec "$@"
    """,
    *("sh", str(Path(sys.executable).with_name("gixy"))),
)

Evaluate = Callable[[str], Any]  # as Nix's JSON has it


class Store:
    """A store of its own, in which derivations are really built."""

    def __init__(self, folder: Path) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "NIX_PATH": f"nixpkgs={NIXPKGS}",
            "NIX_STORE_DIR": str(folder / "store"),
            "NIX_STATE_DIR": str(folder / "state"),
            "NIX_LOG_DIR": str(folder / "log"),
            "NIX_CONFIG": _CONFIG,
        }
        self._folder = folder

    def build(self, expression: str) -> Path:
        """The path that a derivation is built at."""
        (path,) = self.build_all(expression)
        return path

    def build_all(self, expression: str) -> list[Path]:
        """The paths that a list of derivations is built at.

        Raises:
            AssertionError: with what Nix and the builders said.
        """
        done = subprocess.run(
            [
                *_WITH_GIXY,
                str(self._folder / "programs"),
                "nix-build",
                "--no-out-link",
                "-E",
                expression,
            ],
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [Path(line) for line in done.stdout.split()]


def built(store: Store, module: str, what: str) -> Path:
    """One of the things that a system with a module is made of."""
    return store.build(f"""
      (import <nixpkgs/nixos> {{ configuration = {{ imports = [ {{ {BASE} }} ({module}) ]; }}; }}).{what}
    """)
