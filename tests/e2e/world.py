"""A sandbox's world as the end-to-end tests handle it: what runs in it, and what its network carries."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import credentials, inside
from sandbox.paths import REPO, namespace
from sandbox.world import addresses
from tests import logs

_TABLE = "inet e2e"


@dataclass(frozen=True)
class World:
    """A world that is up."""

    state: Path
    environment: dict[str, str]

    def python(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run Python with the sandbox's environment, and with `given` on its input, as somebody with a strict
        umask does."""
        return subprocess.run(
            [sys.executable, *words],
            cwd=REPO,
            env=self.environment,
            umask=0o077,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    def curl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """curl inside the sandbox's world."""
        return subprocess.run(
            inside.command(["curl", "-sS", "--max-time", "30", *words], self.state),
            env=inside.environment(self.state),
            capture_output=True,
            text=True,
            check=False,
        )

    def api(self, method: str, path: str, body: object = None) -> Any:
        """What Hetzner's API answers to one request, such as `api("GET", "/servers")`."""
        words = ["-f", "-X", method, "-H", f"Authorization: Bearer {credentials.HCLOUD_TOKEN}"]
        if body is not None:
            words += ["--json", json.dumps(body)]
        done = self.curl(*words, f"http://127.0.0.1:{addresses.API_PORT}/v1{path}")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def left_at_hetzner(self, stack: str) -> dict[str, Any]:
        """What there still is of a stack's, by its kind, and of any stack's in the zone."""
        left = {}
        for kind in ("servers", "primary_ips", "firewalls", "ssh_keys"):
            found = self.api("GET", f"/{kind}?label_selector=stack={stack}")[kind]
            if found:
                left[kind] = found
        records = self.api("GET", f"/zones/{credentials.ZONE}/rrsets")["rrsets"]
        addresses = [each for each in records if each["type"] in ("A", "AAAA")]
        return left | ({"rrsets": addresses} if addresses else {})

    def logs(self) -> list[Path]:
        """Its log, and the console of each machine."""
        return [self.state / "world.log", *sorted(self.state.glob("machines/*/console.log"))]

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
    def rules(self, *rules: str) -> Iterator[Callable[..., None]]:
        """Rules for what the laptop sends, in force for a while.

        Yields:
            What puts others in their place, in one step: nothing gets through in between.
        """

        def instead(*rules: str) -> None:
            lines = "\n".join(rules)
            chain = f"chain out {{\ntype filter hook output priority 0\n{lines}\n}}"
            self.nft(f"table {_TABLE}\ndelete table {_TABLE}\ntable {_TABLE} {{\n{chain}\n}}\n")

        instead(*rules)
        try:
            yield instead
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


@contextmanager
def world_of_its_own(name: str) -> Iterator[World]:
    """A world without a stack, apart from all others; taken down at the end, which leaves nothing."""
    state = Path(f"/var/tmp/plex-on-nixos-{name}-{os.getpid()}")  # noqa: S108 - removed below
    world = World(state, {**os.environ, "SANDBOX_STATE": str(state)})
    try:
        with logs.told(world.logs):
            up = world.python("-m", "sandbox", "world")
            assert up.returncode == 0, up.stdout + up.stderr
            yield world
    finally:
        world.python("-m", "sandbox", "down")
        shutil.rmtree(state, ignore_errors=True)


COUNT_SSH = "tcp dport 22 tcp flags & (syn | ack) == syn counter accept"
"""Counts the SSH connections that are begun."""
