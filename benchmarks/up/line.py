"""The relay's process, as the benchmark handles it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.up.relay import Passed
from sandbox import inside
from tests.e2e.world import World


@dataclass(frozen=True)
class Line:
    """The way from the laptop to the hosts of a world."""

    process: subprocess.Popen[str]

    def takes(self, seconds: float) -> Passed:
        """Let a round trip take so long from now on; what has passed since the last call."""
        if not self.process.stdin or not self.process.stdout:
            raise RuntimeError("no pipes to the relay")
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return Passed(**json.loads(self.process.stdout.readline()))


@contextmanager
def line(world: World) -> Iterator[Line]:
    """A relay in the world's network."""
    with subprocess.Popen(
        inside.command([sys.executable, "-m", "benchmarks.up.relay"], world.state),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Line(process)
        if process.stdin:
            process.stdin.close()
