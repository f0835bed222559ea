"""Pulumi's engine by its Automation API, for programs that run several at a time."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from typing import IO

from pulumi import automation
from pulumi.automation.errors import create_command_error

from fleet import stacks
from fleet.errors import FleetError


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """Somebody pressed Ctrl-C before this was begun."""


class Engine(automation.PulumiCommand):
    """Pulumi's command line. Each run of it has a session of its own, so that a terminal's Ctrl-C does not
    reach it beside `interrupt`: an engine that is interrupted twice drops what it is doing.

    Raises:
        FleetError: there is none, or an old one.
    """

    def __init__(self) -> None:
        try:
            super().__init__()
        except (OSError, subprocess.CalledProcessError, automation.InvalidVersionError) as error:
            raise FleetError(f"pulumi cannot be used: {error}") from error
        self._lock = Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._interrupted = False

    @property
    def interrupted(self) -> bool:
        """Whether it was."""
        return self._interrupted

    def interrupt(self) -> None:
        """Have all that run finish what they are doing and end, and begin no other."""
        with self._lock:
            self._interrupted = True
            for process in self._running:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGINT)

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: automation.OnOutput | None = None,
        on_error: automation.OnOutput | None = None,
    ) -> automation.CommandResult:
        """As its base has it.

        Raises:
            Interrupted: it was not begun.
        """
        environment = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        # The commands on the hosts bring a key of their own, and fail where an agent's socket is gone.
        environment.pop("SSH_AUTH_SOCK", None)
        with self._lock:
            # What only reads a state may be the end of what was finished.
            if self._interrupted and args[0] != "stack":
                raise Interrupted
            process = subprocess.Popen(
                [self.command, "--non-interactive", *args],
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
        errors: list[str] = []
        output: list[str] = []
        with process:
            reader = Thread(target=_read, args=(process.stderr, on_error, errors))
            reader.start()
            _read(process.stdout, on_output, output)
            reader.join()
        with self._lock:
            self._running.remove(process)
        result = automation.CommandResult("\n".join(output), "\n".join(errors), process.returncode)
        if process.returncode != 0:
            raise create_command_error(result)
        return result


def _read(stream: IO[str] | None, callback: automation.OnOutput | None, lines: list[str]) -> None:
    for line in stream or ():
        lines.append(line.rstrip())
        if callback is not None:
            callback(lines[-1])


class Workspace(automation.LocalWorkspace):
    """The project. What `pulumi` means without --stack stays what the user has selected."""

    def __init__(self, engine: Engine, folder: Path = stacks.FOLDER) -> None:
        super().__init__(work_dir=str(folder), pulumi_command=engine)

    def select_stack(self, stack_name: str) -> None:
        """Nothing: every command names its stack."""

    def stack_outputs(self, stack_name: str) -> automation.OutputMap:
        """Nothing: after each `up` it would be two more runs of Pulumi, for what nobody asks here."""
        return {}


def stack(name: str, engine: Engine, folder: Path = stacks.FOLDER) -> automation.Stack:
    """A stack that is there already."""
    return automation.Stack.select(name, Workspace(engine, folder))
