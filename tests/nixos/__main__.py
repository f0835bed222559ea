"""`make test-nixos`: every variant of the configuration against a real nixpkgs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.nixos import given

if __name__ == "__main__":
    if given.nixpkgs() is None:
        print(f"skipped: {given.NONE}")  # noqa: T201
    else:
        sys.exit(pytest.main(["-q", str(Path(__file__).parent)]))
