"""Builds every tool, in the same way on every computer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..errors import SandboxError
from .golang import BuildError, Workshop
from .store import Store
from .tool import Tool


class ToolchainError(SandboxError):
    """A tool could not be built; the text says which, at which step and why."""


@dataclass
class Preparation:
    """One run that fills a store."""

    store: Store
    say: Callable[[str], None]
    """Takes one line for each step."""

    def run(self, tools: Sequence[Tool]) -> None:
        """Build every tool that the store does not have. Raises `ToolchainError`."""
        if all(map(self.store.has, tools)):
            return
        with self.store.locked(lambda: self.say("waiting for another run")):
            for tool in tools:
                if not self.store.has(tool):
                    self.store.add(tool, partial(self._build, tool))

    def _build(self, tool: Tool, out: Path) -> None:
        self.say(f"{tool}: building, which may take minutes")
        log = self.store.root / "logs" / f"{tool.name}.log"
        log.parent.mkdir(exist_ok=True)
        log.write_bytes(b"")
        start = time.monotonic()
        with _shown(f"{tool}: building"), self.store.scratch() as scratch:
            workshop = Workshop(scratch / "source", self.store.root / "go", log)
            self.store.copy_sources(workshop.source)
            try:
                tool.build(workshop, out)
            except BuildError as failure:
                raise ToolchainError(f"{tool} could not be built: {failure}") from None
        self.say(f"{tool}: built in {time.monotonic() - start:.0f} s")


@contextmanager
def _shown(doing: str) -> Iterator[None]:
    """Show on a terminal what goes on, and for how long already."""
    console = Console()
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            progress.add_task(doing, total=None)
            yield
    else:
        yield
