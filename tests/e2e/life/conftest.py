"""One sandbox for all of these tests, apart from the one that a person may have up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.paths import REPO
from tests.e2e.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox in which `make sandbox` has run once; taken down at the end, which leaves nothing."""
    state = Path(f"/var/tmp/plex-on-nixos-e2e-{os.getpid()}")  # noqa: S108 - removed below
    environment = {**os.environ, "SANDBOX_STATE": str(state)}
    first = subprocess.run(
        [sys.executable, "-m", "sandbox", "up"],
        cwd=REPO,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    sandbox = Sandbox(state, environment, first)
    try:
        assert first.returncode == 0, first.stdout + first.stderr + sandbox.logs()
        yield sandbox
    finally:
        sandbox.python("-m", "sandbox", "down")
        shutil.rmtree(state, ignore_errors=True)
