"""A world of its own, and a project in it in which nobody has made a stack yet."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox import inside, keys, stack, toolchain
from tests.e2e.faults.project import Project
from tests.e2e.world import World, world_of_its_own
from tests.runtime import bucket


@dataclass(frozen=True)
class Fleet:
    """`python -m fleet` and `pulumi` in the project's folder, inside the world; the state is in a bucket."""

    world: World
    project: Project
    backend: Mapping[str, str]

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run `python -m fleet`, with `given` on its input."""
        return self._inside([sys.executable, "-m", "fleet", *words], given)

    def results(self, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """Its exit code, and what it says of each stack as JSON."""
        done = self.run(*words, "--json")
        assert done.stdout, done.stderr
        return done.returncode, {each["stack"]: each for each in json.loads(done.stdout)["stacks"]}

    def pulumi(self, *words: str) -> str:
        """What Pulumi prints; it has to succeed."""
        done = self._inside([str(toolchain.locations().pulumi), *words, "--non-interactive"])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def outputs(self, name: str) -> dict[str, Any]:
        """A stack's outputs."""
        found: dict[str, Any] = json.loads(
            self.pulumi("stack", "output", "--json", "--stack", name)
        )
        return found

    def ssh(self, name: str, command: str) -> str:
        """What a command prints on a stack's host, run as its administrator."""
        done = self._inside(keys.ssh_command(self.outputs(name), command, state=self.world.state))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _inside(self, command: list[str], given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            inside.command(command, self.world.state),
            cwd=self.project.path,
            env={**stack.environment(self.world.state), **self.backend},
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with world_of_its_own("fleet") as world:
        yield world


@pytest.fixture(scope="session")
def fleet(world: World) -> Iterator[Fleet]:
    """A project as a fork has it, with pins of its own and what all of its stacks have in common."""
    toolchain.install_plugins(world.state / "pulumi-home")
    project = Project(world.state / "project")
    shutil.copy(world.state / "pins.json", project.path / "nix/pins.local.json")
    email = "  acmeEmail:\n    type: string\n"
    project.edit("Pulumi.yaml", email, f"{email}    default: owner@films.sandbox\n")
    project.edit("Pulumi.yaml", "\nconfig:\n", "\nconfig:\n  hcloud:pollInterval: 100ms\n")

    def within(command: list[str]) -> list[str]:
        return inside.command(command, world.state)

    with bucket.serving(world.state / "bucket", within) as state:
        yield Fleet(world, project, state.environment)
