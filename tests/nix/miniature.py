"""Asking the miniature nixpkgs: evaluation, and builds in a store of its own."""

from __future__ import annotations

import os
import subprocess
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
            "NIX_CONFIG": "sandbox = false\nsubstitute = false\nbuild-users-group =\n",
        }
        self._folder = folder

    def build(self, expression: str) -> Path:
        """The path that a derivation is built at."""
        command = ["nix-build", "--no-out-link", "-E", expression]
        done = subprocess.run(
            command,
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())


def built(store: Store, module: str, what: str) -> Path:
    """One of the things that a system with a module is made of."""
    return store.build(f"""
      (import <nixpkgs/nixos> {{ configuration = {{ imports = [ {{ {BASE} }} ({module}) ]; }}; }}).{what}
    """)
