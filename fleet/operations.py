"""preview, up and destroy of several stacks, some of them at the same time."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Literal, TextIO

from pulumi import automation

from fleet import stacks
from fleet.display import Display
from fleet.engine import Engine, Interrupted, stack
from fleet.progress import Progress, reason, words

Command = Literal["preview", "up", "destroy"]
Result = Literal["done", "failed", "interrupted", "not begun"]

_PROTECTED = (
    "protected, so nothing of it was deleted; first `pulumi config set protect false --stack {0}` and "
    "`python -m fleet up {0}`, then this again"
)


@dataclass(frozen=True)
class Outcome:
    """How it went with one stack."""

    stack: str
    result: Result
    message: str = ""
    seconds: float = 0
    changes: Mapping[str, int] = field(default_factory=dict)
    log: Path | None = None

    def as_json(self) -> dict[str, object]:
        """The same for programs."""
        return {
            **vars(self),
            "seconds": round(self.seconds, 1),
            "changes": dict(self.changes),
            "log": self.log and str(self.log),
        }


class Fleet:
    """Runs one command on several stacks.

    Args:
        command: which.
        display: where to show what they are at.
        logs: the folder for a log of each.
        parallel: how many at the same time.
        fail_fast: whether to begin no other once one has failed.
        seen: is given each of the engine's events, with the stack's name, from any thread.
        folder: the project's.
    """

    def __init__(
        self,
        command: Command,
        *,
        display: Display,
        logs: Path,
        parallel: int = 4,
        fail_fast: bool = False,
        seen: Callable[[str, automation.EngineEvent], None] | None = None,
        folder: Path = stacks.FOLDER,
    ) -> None:
        self._command = command
        self._display = display
        self._logs = logs
        self._parallel = parallel
        self._fail_fast = fail_fast
        self._seen = seen
        self._folder = folder
        self._engine = Engine()
        self._stop = Event()
        self._why = ""

    @property
    def interrupted(self) -> bool:
        """Whether somebody pressed Ctrl-C."""
        return self._engine.interrupted

    def run(self, names: Sequence[str], canary: str | None = None) -> list[Outcome]:
        """Run it on all of these, the canary first; one that fails does not stop the others, unless told so.

        Ctrl-C lets those that run finish what they are doing.
        """
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        outcomes = {}
        # The main thread only waits: it handles the signals, and must not meet a lock that it holds itself.
        with self._interruptible(), ThreadPoolExecutor(self._parallel) as at_once:
            if canary is not None:
                outcomes[canary] = at_once.submit(self._one, canary).result()
                if outcomes[canary].result != "done":
                    self._halt(f"the canary {canary}: {outcomes[canary].result}")
            others = [name for name in names if name != canary]
            outcomes |= zip(others, at_once.map(self._one, others), strict=True)
        return [outcomes[name] for name in names]

    def _one(self, name: str) -> Outcome:
        if self._stop.is_set():
            return self._ended(Outcome(name, "not begun", self._why))
        progress = Progress()
        self._display.begin(name, progress)
        log = self._logs / f"{name}.log"
        began = time.monotonic()
        result: Result = "done"
        message = ""
        with log.open("w") as file:
            try:
                self._engine_run(name, progress, file)
            except Interrupted:
                return self._ended(Outcome(name, "not begun", self._why))
            except automation.StackNotFoundError:
                result = "failed"
                message = f"Pulumi has no stack {name}; `python -m fleet new {name}` makes it"
            except automation.ConcurrentUpdateError:
                result = "failed"
                message = (
                    "locked: another run is at it, or one was killed; then `pulumi cancel "
                    f"--stack {name}` and again"
                )
            except automation.CommandError as error:
                result = "interrupted" if self._engine.interrupted else "failed"
                message = reason(progress.errors, str(error))
            except _Refused as error:
                result, message = "failed", str(error)
        if result == "failed" and self._fail_fast:
            self._halt(f"{name} failed")
        seconds = time.monotonic() - began
        return self._ended(Outcome(name, result, message, seconds, progress.changes, log))

    def _engine_run(self, name: str, progress: Progress, log: TextIO) -> None:
        def write(line: str) -> None:
            log.write(line + "\n")
            log.flush()

        def take(event: automation.EngineEvent) -> None:
            progress.take(event)
            if said := words(event):
                self._display.tell(name, said)
            if self._seen is not None:
                self._seen(name, event)
            self._display.changed(name)

        one = stack(name, self._engine, self._folder)
        if self._command == "preview":
            one.preview(diff=True, color="never", on_output=write, on_error=write, on_event=take)
        elif self._command == "up":
            one.up(
                color="never", on_output=write, on_error=write, on_event=take, show_secrets=False
            )
        else:
            if protected(one):
                raise _Refused(_PROTECTED.format(name))
            one.destroy(
                color="never", on_output=write, on_error=write, on_event=take, show_secrets=False
            )

    def _halt(self, why: str) -> None:
        if not self._stop.is_set():
            self._why = why
            self._stop.set()

    def _ended(self, outcome: Outcome) -> Outcome:
        self._display.end(outcome.stack, outcome.result, outcome.message)
        return outcome

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C, and what else ends a program, is for the engines."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            again = self._engine.interrupted
            self._halt("interrupted")
            self._engine.interrupt()
            self._display.say(
                "the engines were told again, and drop what they are doing"
                if again
                else "ending: what is being done is finished, nothing else is begun. Ctrl-C again "
                "drops it, and may leave something half made"
            )

        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, on_signal) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Refused(Exception):  # noqa: N818 - it is what protection is for
    """It was not begun, for a reason of this stack's own."""


def protected(one: automation.Stack) -> bool:
    """Whether anything in a stack's state is protected, so that a destroy would stop there."""
    deployment = one.export_stack().deployment or {}
    return any(each.get("protect") for each in deployment.get("resources", []))
