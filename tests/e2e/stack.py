"""Further stacks in a sandbox's world, each with a server and a domain of its own, as friends have them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import credentials, inside, keys, toolchain
from sandbox import stack as own
from sandbox.paths import REPO
from tests.e2e.world import World


@dataclass(frozen=True)
class Stack:
    """A stack by its name. Its domain is the name in the world's zone."""

    world: World
    name: str
    project: Path = REPO
    """Where Pulumi runs: this repository, or a copy in which somebody edits it."""
    backend: Path | None = None
    """Where its state is, if not with the world's other stacks."""

    @classmethod
    def make(cls, world: World, name: str, project: Path = REPO) -> Stack:
        """Make the stack in the world's backend; `up` makes its server."""
        toolchain.install_plugins(world.state / "pulumi-home")
        (world.state / "pulumi-state").mkdir(exist_ok=True)
        made = cls(world, name, project)
        template = (REPO / "Pulumi.sandbox.yaml").read_text()
        text = template.replace("domain: plex.", f"domain: {name}.").replace(
            "config:\n",
            "config:\n"
            f"  plex-on-nixos:pins: {world.state / 'pins.json'}\n"
            "  plex-on-nixos:administrators:\n"
            f"    {keys.ADMINISTRATOR}: [{keys.public_key(world.state)}]\n",
            1,
        )
        made.configuration.write_text(text)
        done = made.pulumi("stack", "init", name)
        assert done.returncode == 0, done.stderr
        # Pulumi has put the salt there, which the stack's own file has already.
        (project / f"Pulumi.{name}.yaml").unlink()
        return made

    @property
    def configuration(self) -> Path:
        """The stack's configuration file."""
        return self.world.state / f"Pulumi.{self.name}.yaml"

    @property
    def url(self) -> str:
        """What people open."""
        return f"https://{self.name}.{credentials.ZONE}"

    def command(self, *words: str) -> list[str]:
        """Pulumi's command line on this stack, inside the world."""
        words = (str(toolchain.locations().pulumi), *words, "--non-interactive")
        if words[1] not in {"stack", "cancel"}:
            words += ("--stack", self.name, "--config-file", str(self.configuration))
        return inside.command(list(words), self.world.state)

    @property
    def environment(self) -> dict[str, str]:
        """Pulumi's environment."""
        backend = {"PULUMI_BACKEND_URL": f"file://{self.backend}"} if self.backend else {}
        return own.environment(self.world.state) | backend

    def pulumi(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Pulumi on this stack."""
        return subprocess.run(
            self.command(*words),
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def up(self, *words: str) -> str:
        """`pulumi up`, which has to succeed; what it printed."""
        done = self.pulumi("up", "--yes", "--skip-preview", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Pulumi at work on this stack, in a process group of its own; what it prints is on stdout."""
        with subprocess.Popen(
            self.command(*words),
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            except BaseException:
                # A test that failed does not wait for what may dial for half an hour.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        done = self.pulumi("stack", "output", "--json", "--stack", self.name)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def set(self, key: str, value: str) -> None:
        """Change one value of the stack's configuration, such as `timeZone` or `packages[0]`."""
        done = self.pulumi("config", "set", "--path", f"plex-on-nixos:{key}", value)
        assert done.returncode == 0, done.stderr

    def set_secret(self, key: str, value: str) -> None:
        """Change one secret of the stack's configuration, such as `b2ApplicationKey` or `hcloud:token`."""
        name = key if ":" in key else f"plex-on-nixos:{key}"
        done = self.pulumi("config", "set", "--secret", name, value)
        assert done.returncode == 0, done.stderr

    def ssh(self, command: str) -> str:
        """What a command prints on the host, run as the administrator."""
        arguments = keys.ssh_command(self.outputs(), command, state=self.world.state)
        done = subprocess.run(
            inside.command(arguments, self.world.state),
            env=inside.environment(self.world.state),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def lose_the_server(self) -> None:
        """Delete it behind the stack's back, as in Hetzner's console, and wait until it is gone."""
        self.world.api("DELETE", f"/servers/{self.server()['id']}")
        deadline = time.monotonic() + 300
        while self.world.left_at_hetzner(self.name).get("servers"):
            assert time.monotonic() < deadline, "the server is not gone"
            time.sleep(0.1)

    def server(self) -> dict[str, Any]:
        """The stack's server as Hetzner's API shows it."""
        found = self.world.api("GET", f"/servers?label_selector=stack={self.name}")["servers"]
        (server,) = found
        return dict(server)
