"""The sandbox as the end-to-end tests handle it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.paths import REPO, namespace

_TABLE = "inet e2e"


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that is up. `first` is the run that brought it up."""

    state: Path
    environment: dict[str, str]
    first: subprocess.CompletedProcess[str]

    def python(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run Python with the sandbox's environment, and with `given` on its input."""
        return subprocess.run(
            [sys.executable, *words],
            cwd=REPO,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    def pulumi(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Pulumi as ./sandbox/pulumi does."""
        return self.python("-m", "sandbox", "pulumi", *words)

    def ssh(self, command: str, given: str = "") -> str:
        """What a command prints on the host, run as the administrator, with `given` on its input."""
        done = self.python("-m", "sandbox", "ssh", command, given=given)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def curl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """curl inside the sandbox's world."""
        return self.python("-m", "sandbox", "enter", "curl", "-sS", "--max-time", "30", *words)

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

    def logs(self) -> str:
        """The ends of all logs, for a failed test's report."""
        tails = []
        for path in [self.state / "world.log", *self.state.glob("machines/*/console.log")]:
            if path.exists():
                tails.append(f"--- {path}\n" + path.read_text(errors="replace")[-3000:])
        return "\n".join(tails)

    def nft(self, rules: str) -> str:
        """Hand rules to nft in the world's namespace."""
        done = subprocess.run(
            ["ip", "netns", "exec", namespace(self.state), "nft", "-f", "-"],
            input=rules,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    @contextmanager
    def rules(self, *rules: str) -> Iterator[None]:
        """Rules for what the laptop sends, in force for a while."""
        lines = "\n".join(rules)
        chain = f"chain out {{\ntype filter hook output priority 0\n{lines}\n}}"
        self.nft(f"table {_TABLE} {{\n{chain}\n}}\n")
        try:
            yield
        finally:
            self.nft(f"delete table {_TABLE}")

    def counted(self) -> int:
        """How many packets the rules' counter has seen."""
        listing = subprocess.run(
            [
                "ip",
                "netns",
                "exec",
                namespace(self.state),
                "nft",
                "-j",
                "list",
                "table",
                *_TABLE.split(),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for entry in json.loads(listing)["nftables"]:
            for expression in entry.get("rule", {}).get("expr", []):
                if "counter" in expression:
                    return int(expression["counter"]["packets"])
        raise AssertionError("no counter")


COUNT_SSH = "tcp dport 22 tcp flags & (syn | ack) == syn counter accept"
"""Counts the SSH connections that are begun."""
