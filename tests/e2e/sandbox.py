"""The sandbox with its own stack, as `make sandbox` makes it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from tests.e2e.world import World


@dataclass(frozen=True)
class Sandbox(World):
    """A sandbox that is up. `first` is the run that brought it up."""

    first: subprocess.CompletedProcess[str]

    def pulumi(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Pulumi as ./sandbox/pulumi does."""
        return self.python("-m", "sandbox", "pulumi", *words)

    def ssh(self, command: str, given: str = "") -> str:
        """What a command prints on the host, run as the administrator, with `given` on its input."""
        done = self.python("-m", "sandbox", "ssh", command, given=given)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        found: dict[str, Any] = json.loads(
            self.pulumi("stack", "output", "--json", "--stack", "sandbox").stdout
        )
        return found

    def set(self, key: str, value: str) -> None:
        """Change one value of the stack's configuration, such as `timeZone` or `packages[0]`."""
        done = self.pulumi("config", "set", "--path", f"plex-on-nixos:{key}", value)
        assert done.returncode == 0, done.stderr
