"""A stack of one command, run by the real engine and its Python host with the sandbox's plugins."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, Unpack

from sandbox import toolchain
from tests.runtime.sshd import Sshd

PROGRAM = Path(__file__).parent / "one_command"


class Inputs(TypedDict, total=False):
    """What a test gives the resource, beside its connection."""

    create: str
    update: str
    delete: str
    stdin: str
    secret_stdin: str
    random_stdin: int
    triggers: list[str]
    logging: str
    add_previous_output_in_env: bool


class RunFailed(Exception):  # noqa: N818 - what happened is the whole point of it
    """Pulumi did not succeed; the text is all that it printed."""


@dataclass
class CommandStack:
    """A stack of one command on one server. Every argument may change from run to run."""

    directory: Path
    server: Sshd
    printed: str = ""
    """What the engine printed in the last run."""

    _running: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        shutil.copytree(PROGRAM, self.directory)
        (self.directory / "state").mkdir()
        toolchain.install_plugins(self.directory / "home")
        self._pulumi("stack", "init", "test")

    def up(
        self,
        *,
        host_key: str | None = None,
        dial_error_limit: int = 0,
        timeout: str | None = None,
        seen: Callable[[str], None] = lambda _line: None,
        **inputs: Unpack[Inputs],
    ) -> dict[str, str]:
        """Run the stack and return the command's outputs.

        A failed command is repeated if it ended with 75. `seen` gets every line as it is printed.
        Raises `RunFailed`.
        """
        arguments = self._arguments(host_key, dial_error_limit, timeout, inputs)
        self._pulumi("up", "--yes", "--skip-preview", seen=seen, ONE_COMMAND=arguments)
        printed = self.printed
        outputs: dict[str, str] = json.loads(self._pulumi("stack", "output", "--json"))
        self.printed = printed
        return outputs

    def preview(self, **inputs: Unpack[Inputs]) -> None:
        """Preview the stack. Raises `RunFailed`."""
        self._pulumi("preview", ONE_COMMAND=self._arguments(None, 0, None, inputs))

    def interrupt(self) -> None:
        """Break the run off that is going on, as Ctrl-C does."""
        self._running[-1].send_signal(signal.SIGINT)

    def destroy(self) -> None:
        """Delete the command."""
        self._pulumi("destroy", "--yes", "--skip-preview")

    def state(self) -> str:
        """Everything that the backend keeps, as it lies on disk."""
        files = (self.directory / "state").rglob("*")
        return "\n".join(file.read_text() for file in files if file.is_file())

    def _arguments(
        self, host_key: str | None, dial_error_limit: int, timeout: str | None, inputs: Inputs
    ) -> str:
        connection = {
            "host": "127.0.0.1",
            "port": self.server.port,
            "user": self.server.user,
            "private_key": self.server.client.private,
            "host_key": host_key or self.server.host.public,
            "dial_error_limit": dial_error_limit,
        }
        given = {"add_previous_output_in_env": False, **inputs}
        return json.dumps({"connection": connection, "inputs": given, "timeout": timeout})

    def _pulumi(
        self,
        *words: str,
        seen: Callable[[str], None] = lambda _line: None,
        **environment: str,
    ) -> str:
        tools = toolchain.locations()
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        inherited = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
        process = subprocess.Popen(
            [tools.pulumi, *words, "--non-interactive", "--color", "never"],
            cwd=self.directory,
            env={
                **inherited,
                "PATH": path,
                "PULUMI_HOME": str(self.directory / "home"),
                "PULUMI_BACKEND_URL": f"file://{self.directory / 'state'}",
                "PULUMI_CONFIG_PASSPHRASE": "of a test",
                "PULUMI_SKIP_UPDATE_CHECK": "1",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._running.append(process)
        lines = []
        assert process.stdout
        with process.stdout as output:
            for line in output:
                lines.append(line)
                seen(line.rstrip())
        self._running.remove(process)
        self.printed = "".join(lines)
        if process.wait() != 0:
            raise RunFailed(self.printed)
        return self.printed
