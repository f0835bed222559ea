"""`make test-nixos`: every variant of the configuration against a real nixpkgs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.nixos import given


def main() -> int:
    if missing := given.what_is_missing():
        return given.end("test-nixos", missing)
    return pytest.main(["-q", str(Path(__file__).parent)])


if __name__ == "__main__":
    sys.exit(main())
