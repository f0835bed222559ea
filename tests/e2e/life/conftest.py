"""One sandbox for all of these tests, apart from the one that a person may have up."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import logs
from tests.e2e.sandbox import Sandbox
from tests.e2e.world import World


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox in which `make sandbox` has run once; taken down at the end, which leaves nothing."""
    state = Path(f"/var/tmp/plex-on-nixos-e2e-{os.getpid()}")  # noqa: S108 - removed below
    world = World(state, {**os.environ, "SANDBOX_STATE": str(state)})
    try:
        with logs.told(world.logs):
            first = world.python("-m", "sandbox", "up")
            assert first.returncode == 0, first.stdout + first.stderr
            yield Sandbox(state, world.environment, first)
    finally:
        world.python("-m", "sandbox", "down")
        shutil.rmtree(state, ignore_errors=True)
