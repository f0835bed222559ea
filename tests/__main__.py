"""Every check and test in one run, and what each stage cost: `make test`, or `python -m tests STAGE…`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.table import Table

from sandbox import preflight, toolchain
from sandbox.errors import SandboxError

_REPO = Path(__file__).resolve().parent.parent
_PACKAGES = {
    "busybox": "busybox",
    "dash": "dash",
    "dig": "bind9-dnsutils",
    "lego": "lego",
    "nginx": "nginx-light",
    "nix-instantiate": "nix-bin",
    "openssl": "openssl",
    "rclone": "rclone",
    "shellcheck": "shellcheck",
    "sshd": "openssh-server",
}
_STAGES: dict[str, list[str]] = {
    "check": ["make", "--no-print-directory", "check"],
    "unit": [sys.executable, "-m", "pytest", "-q", "tests/unit"],
    "nix": [sys.executable, "-m", "pytest", "-q", "tests/nix"],
    "runtime": [sys.executable, "-m", "pytest", "-q", "tests/runtime"],
    "e2e": [sys.executable, "-m", "pytest", "-q", "tests/e2e"],
}


def main(names: list[str]) -> int:
    """Run the stages of those names, or all; one that fails does not stop the others."""
    console = Console(highlight=False)
    unknown = set(names) - set(_STAGES)
    if unknown:
        console.print(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(_STAGES)}")
        return 2
    try:
        preflight.check()
        began = monotonic()
        preflight.install(console.print, _PACKAGES)
        toolchain.ensure(console.print)
    except (SandboxError, toolchain.ToolchainError) as error:
        console.print(f"tests: {error}", markup=False)
        return 1
    costs = {"preparation": (monotonic() - began, True)}
    for name in names or _STAGES:
        console.rule(name)
        began = monotonic()
        done = subprocess.run(_STAGES[name], cwd=_REPO, env=_environment(), check=False)
        costs[name] = (monotonic() - began, done.returncode == 0)
    table = Table("stage", "seconds", "")
    for name, (seconds, well) in costs.items():
        table.add_row(name, f"{seconds:.0f}", "" if well else "failed")
    console.print(table)
    failed = sum(not well for _, well in costs.values())
    console.print(f"stages: {len(costs) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _environment() -> dict[str, str]:
    """The environment of a stage, without an SSH agent that Pulumi's commands would ask."""
    return {key: value for key, value in os.environ.items() if key != "SSH_AUTH_SOCK"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
