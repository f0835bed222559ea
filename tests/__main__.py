"""Every check and test in one run, and what each stage cost: `make test`, or `python -m tests STAGE…`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import ChainMap
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic
from typing import IO

from rich.console import Console
from rich.table import Table

from sandbox import preflight, toolchain
from sandbox.errors import SandboxError

_REPO = Path(__file__).resolve().parent.parent
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
    "shellcheck": "shellcheck",
    "sshd": "openssh-server",
}
_STAGES: dict[str, list[str]] = {
    "check": ["make", "--no-print-directory", "check"],
    "unit": [sys.executable, "-m", "pytest", "-q", "-rs", "tests/unit"],
    "nix": [sys.executable, "-m", "pytest", "-q", "tests/nix"],
    "runtime": [
        *(sys.executable, "-m", "pytest", "-q", "-n3", "--dist=loadfile"),
        *("-m", "not heavy", "tests/runtime"),
    ],
    "e2e": [
        *(sys.executable, "-m", "pytest", "-q", "-m", "quick or not fault"),
        *("tests/e2e/life", "tests/e2e/faults"),
    ],
    "installation": [sys.executable, "-m", "pytest", "-q", "tests/e2e/installation"],
    "fleet": [sys.executable, "-m", "pytest", "-q", "tests/e2e/fleet"],
    "faults": [sys.executable, "-m", "pytest", "-q", "tests/e2e/faults"],
    "edge": [
        *(sys.executable, "-m", "pytest", "-q", "-rs", "tests/runtime/edge"),
        *(f"tests/runtime/test_{part}.py" for part in ("certificate", "claim", "gate", "tunnel")),
    ],
}
_BY_NAME_ONLY = {"edge", "faults", "fleet"}
_PACKAGES_OF = {"edge": {"testssl": "testssl.sh"}}

# Those that run together mostly wait: so many that two cores are busy, and no more, or they stall.
_TURNS = (
    ("check",),
    ("unit",),
    ("nix",),
    ("e2e", "installation", "runtime"),
    ("fleet",),
    ("faults",),
    ("edge",),
)


def main(names: list[str]) -> int:
    """Run the stages of those names, or what CI runs; one that fails does not stop the others."""
    console = Console(highlight=False)
    unknown = set(names) - set(_STAGES)
    if unknown:
        console.print(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(_STAGES)}")
        return 2
    wanted = set(names) or set(_STAGES) - _BY_NAME_ONLY
    try:
        preflight.check()
        began = monotonic()
        of_stages = [_PACKAGES_OF.get(name, {}) for name in wanted]
        preflight.install(console.print, dict(ChainMap(_PACKAGES, *of_stages)))
        toolchain.ensure(console.print)
    except SandboxError as error:
        console.print(f"tests: {error}", markup=False)
        return 1
    costs = {"preparation": (monotonic() - began, True)}
    for together in _TURNS:
        costs |= _run([name for name in together if name in wanted], console)
    table = Table("stage", "seconds", "")
    for name, (seconds, well) in costs.items():
        table.add_row(name, f"{seconds:.0f}", "" if well else "failed")
    console.print(table)
    failed = sum(not well for _, well in costs.values())
    console.print(f"stages: {len(costs) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _run(together: list[str], console: Console) -> dict[str, tuple[float, bool]]:
    """Run stages at the same time; what the later ones print comes after the first has ended."""
    costs = {}
    with ExitStack() as stack:
        began = monotonic()
        running: list[tuple[str, subprocess.Popen[bytes], IO[str] | None]] = []
        for name in together:
            shown = stack.enter_context(TemporaryFile("w+")) if running else None
            output = None if shown is None else subprocess.STDOUT
            process = subprocess.Popen(
                _STAGES[name], cwd=_REPO, env=_environment(), stdout=shown, stderr=output
            )
            running.append((name, process, shown))
        for name, process, kept in running:
            console.rule(name)
            well = process.wait() == 0
            costs[name] = (monotonic() - began, well)
            if kept is not None:
                kept.seek(0)
                print(kept.read(), end="")  # noqa: T201
    return costs


def _environment() -> dict[str, str]:
    """The environment of a stage, without an SSH agent that Pulumi's commands would ask, and without what
    make tells the makes that it starts."""
    unwanted = {"SSH_AUTH_SOCK", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    return {key: value for key, value in os.environ.items() if key not in unwanted}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
