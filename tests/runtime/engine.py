"""The real engine with the sandbox's plugins, and with a home and a backend that belong to one test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import toolchain


class RunFailed(Exception):  # noqa: N818 - what happened is the whole point of it
    """Pulumi did not succeed; the text is all that it printed."""


@dataclass
class Engine:
    """Pulumi on the program in `project`, with everything that it keeps in `directory`."""

    directory: Path
    project: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    passphrase: str = "of a test"
    printed: str = ""
    """What the last run printed."""

    _running: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.backend.mkdir(parents=True)
        toolchain.install_plugins(self.directory / "home")

    @property
    def backend(self) -> Path:
        """Where the states lie."""
        return self.directory / "state"

    def run(
        self,
        *words: str,
        seen: Callable[[str], None] = lambda _line: None,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Run Pulumi and return what it printed; `seen` gets every line at once. Raises `RunFailed`."""
        tools = toolchain.locations()
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        process = subprocess.Popen(
            [tools.pulumi, *words, "--non-interactive", "--color", "never"],
            cwd=self.project,
            env={
                **os.environ,
                "PATH": path,
                "PULUMI_HOME": str(self.directory / "home"),
                "PULUMI_BACKEND_URL": f"file://{self.backend}",
                "PULUMI_CONFIG_PASSPHRASE": self.passphrase,
                "PULUMI_SKIP_UPDATE_CHECK": "1",
                **self.environment,
                **(environment or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._running.append(process)
        lines = []
        assert process.stdout
        try:
            with process.stdout as output:
                for line in output:
                    lines.append(line)
                    seen(line.rstrip())
        except BaseException:
            # Ctrl-C at the terminal does not reach another session.
            process.send_signal(signal.SIGINT)
            raise
        self._running.remove(process)
        self.printed = "".join(lines)
        if process.wait() != 0:
            raise RunFailed(self.printed)
        return self.printed

    def interrupt(self) -> None:
        """Break the run off that is going on, as Ctrl-C does."""
        self._running[-1].send_signal(signal.SIGINT)

    def ends_within(self, seconds: float) -> bool:
        """Whether the run that is going on does."""
        with suppress(subprocess.TimeoutExpired):
            self._running[-1].wait(seconds)
            return True
        return False

    def kill(self) -> None:
        """End the run that is going on, as a power cut does: with its plugins, whose groups are others."""
        subprocess.run(["pkill", "-KILL", "--session", str(self._running[-1].pid)], check=True)
