"""A stack of one command, run by the real engine and its Python host with the sandbox's plugins."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, Unpack

from tests.runtime.engine import Engine, RunFailed
from tests.runtime.sshd import Sshd

__all__ = ["CommandStack", "RunFailed"]

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


@dataclass
class CommandStack:
    """A stack of one command on one server. Every argument may change from run to run."""

    directory: Path
    server: Sshd
    printed: str = ""
    """What the engine printed in the last run."""

    _engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        shutil.copytree(PROGRAM, self.directory)
        self._engine = Engine(self.directory, self.directory)
        self._engine.run("stack", "init", "test")

    def up(
        self,
        *,
        host_key: str | None = None,
        dial_error_limit: int = 0,
        per_dial_timeout: int = 15,
        agent_socket_path: str | None = None,
        timeout: str | None = None,
        seen: Callable[[str], None] = lambda _line: None,
        **inputs: Unpack[Inputs],
    ) -> dict[str, str]:
        """Run the stack and return the command's outputs.

        A failed command is repeated if it ended with 75. `seen` gets every line as it is printed.
        Raises `RunFailed`.
        """
        connection = {
            "host_key": host_key or self.server.host.public,
            "dial_error_limit": dial_error_limit,
            "per_dial_timeout": per_dial_timeout,
            "agent_socket_path": agent_socket_path,
        }
        arguments = self._arguments(connection, timeout, inputs)
        try:
            self._engine.run(
                "up",
                "--yes",
                "--skip-preview",
                seen=seen,
                environment={"ONE_COMMAND": arguments},
            )
        finally:
            self.printed = self._engine.printed
        outputs: dict[str, str] = json.loads(self._engine.run("stack", "output", "--json"))
        return outputs

    def preview(self, **inputs: Unpack[Inputs]) -> None:
        """Preview the stack. Raises `RunFailed`."""
        arguments = self._arguments({}, None, inputs)
        self.printed = self._engine.run("preview", environment={"ONE_COMMAND": arguments})

    def interrupt(self) -> None:
        """Break the run off that is going on, as Ctrl-C does."""
        self._engine.interrupt()

    def ends_within(self, seconds: float) -> bool:
        """Whether the run that is going on does."""
        return self._engine.ends_within(seconds)

    def destroy(self) -> None:
        """Delete the command."""
        self._engine.run("destroy", "--yes", "--skip-preview")

    def pending(self) -> list[dict[str, Any]]:
        """The operations that the state does not know the end of."""
        deployment = json.loads(self._engine.run("stack", "export"))["deployment"]
        return list(deployment.get("pending_operations") or ())

    def clear_pending_creates(self) -> None:
        """Take those out of the state that were creations."""
        self._engine.run("refresh", "--yes", "--clear-pending-creates")

    def state(self) -> str:
        """Everything that the backend keeps, as it lies on disk."""
        files = self._engine.backend.rglob("*")
        return "\n".join(file.read_text() for file in files if file.is_file())

    def _arguments(
        self, connection: Mapping[str, object], timeout: str | None, inputs: Inputs
    ) -> str:
        connection = {
            "host": "127.0.0.1",
            "port": self.server.port,
            "user": self.server.user,
            "private_key": self.server.client.private,
            **connection,
        }
        given = {"add_previous_output_in_env": False, **inputs}
        return json.dumps({"connection": connection, "inputs": given, "timeout": timeout})
