"""A world of its own for servers that come and go, apart from the sandbox in which a stack leads its life."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.stack import Stack
from tests.e2e.world import World, world_of_its_own


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    with world_of_its_own("installation") as world:
        yield world


@pytest.fixture(scope="package")
def another(world: World) -> Callable[[str], Stack]:
    """A function that gives the stack of that name; it is made at the first call."""
    made: dict[str, Stack] = {}

    def stack(name: str) -> Stack:
        if name not in made:
            made[name] = Stack.make(world, name)
        return made[name]

    return stack
