"""The three comparisons, each in a world that it is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.up.line import line
from sandbox import inside, toolchain
from sandbox import stack as own
from tests.e2e.faults.project import Project
from tests.e2e.stack import Stack
from tests.e2e.world import COUNT_SSH, World

SECONDS = (0, 0.05, 0.2)
_ZONES = ("Europe/Berlin", "Europe/Paris")
_EMPTY = """name: empty
runtime:
  name: python
"""


def noop(world: World, runs: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Nothing to do: this program's stack, and an empty Python program's, in turn."""
    stack = _settled(world, "noop", say)
    project = world.state / "empty"
    project.mkdir()
    (project / "Pulumi.yaml").write_text(_EMPTY)
    (project / "__main__.py").write_text("import pulumi\n")
    empty = Stack(world, "empty", project)
    empty.configuration.write_text("config: {}\n")
    _ok(empty.pulumi("stack", "init", "empty"))
    seconds: dict[str, list[float]] = {"this program": [], "an empty program": []}
    for run in range(runs + 1):
        say(f"an `up` with nothing to do, {run} of {runs}")
        for found, one in zip(seconds.values(), (stack, empty), strict=True):
            began = time.monotonic()
            one.up()
            if run:  # the first one fills Python's and the file system's caches
                found.append(time.monotonic() - began)
    resources = len(
        json.loads(stack.pulumi("stack", "export", "--stack", "noop").stdout)["deployment"][
            "resources"
        ]
    )
    return {"seconds": seconds, "resources": resources}


def change(world: World, runs: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """A line of the host's configuration is changed, over lines of different length."""
    stack = _settled(world, "change", say)
    found = []
    with line(world) as way:
        for run in range(runs * len(SECONDS)):
            seconds = SECONDS[run % len(SECONDS)]
            say(
                f"a changed configuration at {1000 * seconds:.0f} ms, {run // len(SECONDS) + 1} of {runs}"
            )
            stack.set("timeZone", _ZONES[run % 2])
            way.takes(seconds)
            began, wall = time.monotonic(), time.time()
            stack.up()
            took = time.monotonic() - began
            passed = way.takes(0)
            found.append(
                {"at": seconds, "seconds": took, "host": _host(stack, wall), **asdict(passed)}
            )
    return found


def fleet(
    world: World, counts: tuple[int, ...], say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Another time zone for each of several stacks at once, by `python -m fleet up`."""
    toolchain.install_plugins(world.state / "pulumi-home")
    project = Project(world.state / "project")
    stacks: list[Stack] = []
    found = []
    for count in counts:
        while len(stacks) < count:
            name = f"friend{len(stacks) + 1}"
            say(f"a server for the stack {name}")
            stack = Stack.make(world, name, project.path)
            stack.up()
            # Where fleet, and everybody else's Pulumi, looks for it.
            (project.path / f"Pulumi.{name}.yaml").symlink_to(stack.configuration)
            stacks.append(stack)
        for number, stack in enumerate(stacks):
            stack.set("timeZone", _ZONES[(count.bit_length() + number) % 2])
        say(f"`fleet up` of {count}")
        log = world.state / "world.log"
        asked = log.read_text().count(" /v1/")
        with world.rules(COUNT_SSH):
            began = time.monotonic()
            memory = _run(world, project, [stack.name for stack in stacks])
            seconds = time.monotonic() - began
            connections = world.counted()
        calls = log.read_text().count(" /v1/") - asked
        figures = {"seconds": seconds, "memory": memory}
        found.append({"stacks": count, **figures, "connections": connections, "calls": calls})
    return found


def _run(world: World, project: Project, names: list[str]) -> int:
    """`fleet up`; the most memory that it and all it started had at once, in bytes."""
    most = 0
    with subprocess.Popen(
        inside.command([sys.executable, "-m", "fleet", "up", *names], world.state),
        cwd=project.path,
        env=own.environment(world.state),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        while process.poll() is None:
            most = max(most, _memory(process.pid))
            time.sleep(0.2)
        said = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise RuntimeError(said)
    return most


def _memory(first: int) -> int:
    """Resident bytes of a process and all that it started; what they share counts for each."""
    parents: dict[int, list[int]] = {}
    pages: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError):
            number, _, rest = stat.read_text().partition(" (")
            fields = rest.rpartition(") ")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(number))
            pages[int(number)] = int(fields[21])
    family = [first]
    for each in family:
        family += parents.get(each, [])
    return sum(pages.get(each, 0) for each in family) * os.sysconf("SC_PAGE_SIZE")


def _settled(world: World, name: str, say: Callable[[str], None]) -> Stack:
    say(f"a server for the stack {name}")
    stack = Stack.make(world, name)
    stack.up()
    stack.up()
    return stack


def _host(stack: Stack, since: float) -> float:
    """Seconds from the first to the last line that the supervisor wrote since then."""
    unit = "nixos-rebuild-switch-to-configuration"
    lines = stack.ssh(
        f"sudo journalctl -u {unit} -o json --output-fields=UNIT --since @{since:.0f}"
    )
    times = [int(json.loads(each)["__REALTIME_TIMESTAMP"]) for each in lines.splitlines()]
    return (times[-1] - times[0]) / 1e6


def _ok(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
