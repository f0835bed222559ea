"""A stage at work: what it prints, and its end, with all of its processes if it does not come by itself."""

from __future__ import annotations

import codecs
import os
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic
from types import TracebackType

from tests.needs import STAGE

# How often one looks for what has been printed, and how long a stage has to take down what it made.
_TICK = 0.2
_TAKING_DOWN = 180
# pytest's headings of what failed; after them come the closing lines.
_FAILURES = re.compile(r"^=+ (?:ERRORS|FAILURES) =+$", re.MULTILINE)
_TAIL = 100


@dataclass(frozen=True)
class Ended:
    """How a stage ended: its exit status, None where it was stopped; and what it printed."""

    status: int | None
    printed: str

    @property
    def failures(self) -> str:
        """What pytest reports of the failed tests, or the end of what any other command printed."""
        if found := _FAILURES.search(self.printed):
            return self.printed[found.start() :]
        return "".join(self.printed.splitlines(keepends=True)[-_TAIL:])


class Running:
    """A stage at work; nothing of it is after the block."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, seconds: float) -> None:
        """Begin.

        Args:
            name: the stage's.
            command: the stage's.
            folder: where it runs.
            seconds: its limit.
        """
        self.name = name
        self._seconds = seconds
        self._deadline = monotonic() + seconds
        # All processes of the stage inherit it, whatever session they are in: by it they are found.
        self._mark = f"{os.environ.get(STAGE, '')}{name}.{os.getpid()}/"
        self._output = TemporaryFile()  # noqa: SIM115 - closed at the block's end
        self._process = subprocess.Popen(
            # SIGINT, by which it is stopped, is ignored by what a script has begun in its background.
            ["env", "--default-signal=INT", *command],
            cwd=folder,
            env=_environment() | {STAGE: self._mark},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._output:
            if self._process.poll() is None:
                self._stop()
            else:
                self._kill()

    def end(self, show: Callable[[str], None]) -> Ended:
        """Wait for the end, and show what is printed; what does not end within the limit is stopped."""
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        printed: list[str] = []
        position, status = 0, None
        while True:
            with suppress(subprocess.TimeoutExpired):
                status = self._process.wait(_TICK)
            late = status is None and monotonic() > self._deadline
            if late:
                self._stop()
            news = os.pread(self._output.fileno(), 1 << 30, position)
            position += len(news)
            text = decode(news)
            if late:
                text += (
                    f"\n{self.name} has not ended within {self._seconds:.0f} s: it was stopped\n"
                )
            show(text)
            printed.append(text)
            if late or status is not None:
                return Ended(status, "".join(printed))

    def _stop(self) -> None:
        """Do what Ctrl-C does, so that what was made is taken down; then kill what is left."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_TAKING_DOWN)
        self._kill()
        self._process.wait()

    def _kill(self) -> None:
        """Kill what is left."""
        for process in _with_children(_marked(self._mark)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def _marked(mark: str) -> set[int]:
    """The processes whose environment has the mark."""
    entry = f"\0{STAGE}={mark}".encode()
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended meanwhile
            if entry in b"\0" + path.read_bytes():
                found.add(int(path.parent.name))
    return found


def _with_children(processes: set[int]) -> set[int]:
    """The processes, and theirs with another environment, such as the machines of a sandbox."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name, in brackets, may hold anything; after it come the state and the parent.
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = set(processes)
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _environment() -> dict[str, str]:
    """The environment of a stage, without what make tells the makes that it starts."""
    unwanted = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    return {key: value for key, value in os.environ.items() if key not in unwanted}
