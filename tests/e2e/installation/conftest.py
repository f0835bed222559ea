"""A world of its own for servers that come and go, apart from the sandbox in which a stack leads its life."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack
from tests.e2e.world import World


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """A world without a stack; taken down at the end."""
    state = Path(f"/var/tmp/plex-on-nixos-installation-{os.getpid()}")  # noqa: S108 - removed below
    world = World(state, {**os.environ, "SANDBOX_STATE": str(state)})
    try:
        up = world.python("-m", "sandbox", "world")
        assert up.returncode == 0, up.stdout + up.stderr + world.logs()
        yield world
    finally:
        world.python("-m", "sandbox", "down")
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="session")
def another(world: World) -> Callable[[str], Stack]:
    """A function that gives the stack of that name; it is made at the first call."""
    made: dict[str, Stack] = {}

    def stack(name: str) -> Stack:
        if name not in made:
            made[name] = Stack.make(world, name)
        return made[name]

    return stack
