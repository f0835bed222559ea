"""The checks and tests in one run, and what each stage cost: `make test`, or `python -m tests --help`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from tempfile import TemporaryFile
from time import monotonic
from typing import IO

from rich.console import Console
from rich.table import Table

from sandbox import preflight, toolchain
from sandbox.errors import SandboxError
from tests.stages import Stage, pytest

_PACKAGES = {
    "busybox": "busybox",
    "dash": "dash",
    "dig": "bind9-dnsutils",
    "hcloud": "hcloud-cli",
    "lego": "lego",
    "nginx": "nginx-light",
    "nix-instantiate": "nix-bin",
    "nmap": "nmap",
    "openssl": "openssl",
    "rclone": "rclone",
    "sshd": "openssh-server",
}
_EDGE = [f"tests/runtime/test_{part}.py" for part in ("certificate", "claim", "gate", "tunnel")]
_STAGES = {
    stage.name: stage
    for stage in (
        Stage("check", ["make", "--no-print-directory", "check"]),
        pytest("unit", "tests/unit", options=["-rs"]),
        pytest("nix", "tests/nix"),
        pytest("runtime", "tests/runtime", options=["-n3", "--dist=loadfile"], only="not heavy"),
        pytest("e2e-life", "tests/e2e/life", only="not heavy"),
        pytest(
            "e2e-rest",
            "tests/e2e/installation",
            "tests/e2e/faults",
            only="not heavy and (quick or not fault)",
        ),
        pytest("fleet", "tests/e2e/fleet"),
        pytest("faults", "tests/e2e/faults"),
        pytest("edge", "tests/runtime/edge", *_EDGE, options=["-rs"]),
    )
}
_IN_OTHERS = {"edge", "faults"}  # once those leave nothing out
_BY_NAME_ONLY = {"fleet", *_IN_OTHERS}
# What `make test` does without.
_MORE_PACKAGES = {"chromium": "chromium", "dot": "graphviz", "testssl": "testssl.sh"}

# Those that run together mostly wait: so many that two cores are busy, and no more, or they stall.
_TURNS = (
    ("check",),
    ("unit",),
    ("nix",),
    ("e2e-life", "e2e-rest", "runtime"),
    ("fleet",),
    ("faults",),
    ("edge",),
)


def main(words: list[str]) -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"{', '.join(_STAGES)}")
    parser.add_argument("--all", action="store_true", help="also what takes long, and the fleet")
    asked = parser.parse_args(words)
    if unknown := sorted(set(asked.stages) - set(_STAGES)):
        parser.error(f"no stage {', '.join(unknown)}; there are {', '.join(_STAGES)}")
    wanted = asked.stages or set(_STAGES) - (_IN_OTHERS if asked.all else _BY_NAME_ONLY)
    stages = {
        name: replace(_STAGES[name], without=[]) if asked.all else _STAGES[name] for name in wanted
    }
    console = Console(highlight=False)
    began = monotonic()
    try:
        preflight.check()
        more = _MORE_PACKAGES if asked.all or "edge" in wanted else {}
        preflight.install(console.print, _PACKAGES | more)
        toolchain.ensure(console.print)
    except SandboxError as error:
        console.print(f"tests: {error}", markup=False)
        return 1
    return 0 if run(stages, {"preparation": monotonic() - began}, console) else 1


def run(stages: Mapping[str, Stage], costs: dict[str, float], console: Console) -> bool:
    """Run stages, one that fails does not stop the others; print their costs; whether all are well.

    Whole servers share two cores here, and now and then one of them is late. So the files that failed, if
    they are few, run once more at the end, with the machine to themselves. What failed at first is printed.

    Args:
        stages: by name.
        costs: seconds that something before them took, by its name.
    """
    failed: set[str] = set()
    for together in _TURNS:
        failed |= _run_together(
            [stages[name] for name in together if name in stages], costs, console
        )
    late: dict[str, str] = {}
    for name in sorted(failed):
        if again := stages[name].once_more():
            files = ", ".join(again.paths)
            console.rule(f"{name} once more, alone: {files}")
            if again.start().wait() == 0:
                late[name] = f"at the second try: {files}"
    failed -= set(late)
    table = Table("stage", "seconds", "")
    for name, seconds in costs.items():
        table.add_row(name, f"{seconds:.0f}", "failed" if name in failed else late.get(name, ""))
    console.print(table)
    console.print(
        f"stages: {len(costs) - len(failed)} passed, {len(late)} of them at the second try; "
        f"{len(failed)} failed"
    )
    return not failed


def _run_together(together: list[Stage], costs: dict[str, float], console: Console) -> set[str]:
    """Run stages at the same time, and add their seconds to `costs`; which of them failed.

    What the later ones print comes after the first has ended.
    """
    failed = set()
    with ExitStack() as stack:
        began = monotonic()
        running: list[tuple[str, subprocess.Popen[bytes], IO[str] | None]] = []
        for stage in together:
            shown = stack.enter_context(TemporaryFile("w+")) if running else None
            running.append((stage.name, stage.start(shown), shown))
        for name, process, kept in running:
            console.rule(name)
            if process.wait() != 0:
                failed.add(name)
            costs[name] = monotonic() - began
            if kept is not None:
                kept.seek(0)
                print(kept.read(), end="")  # noqa: T201
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
