"""Evaluating Nix with the real Nix, which writes nothing and fetches nothing."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


class EvaluationError(Exception):
    """What Nix said."""


def evaluate(expression: str, folder: Path, search: Mapping[str, Path] | None = None) -> object:
    """The value of a Nix expression, which may name files relative to `folder`.

    Args:
        search: what `<name>` means in it.

    Raises:
        EvaluationError: with Nix's own words.
    """
    path = folder / "evaluated.nix"
    path.write_text(expression)
    includes = [part for name, at in (search or {}).items() for part in ("-I", f"{name}={at}")]
    done = subprocess.run(
        [
            "nix-instantiate",
            "--eval",
            "--strict",
            "--json",
            "--readonly-mode",
            *includes,
            str(path),
        ],
        capture_output=True,
        check=False,
        # Nix makes folders before it reads anything.
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "NIX_PATH": "",
            "NIX_STATE_DIR": str(folder / "nix-state"),
            "NIX_STORE_DIR": str(folder / "nix-store"),
            "NIX_LOG_DIR": str(folder / "nix-log"),
        },
    )
    if done.returncode:
        raise EvaluationError(done.stderr.decode(errors="replace"))
    value: object = json.loads(done.stdout)
    return value
