"""Gets every tool: the installed one, else the official download, else a build."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..errors import SandboxError
from .download import Downloads
from .golang import BuildError, Workshop
from .store import Store
from .tool import Tool


class ToolchainError(SandboxError):
    """A tool could not be had; the text says which, at which step and why."""


@dataclass
class Preparation:
    """One run that fills a store."""

    store: Store
    say: Callable[[str], None]
    """Takes one line for each step."""

    downloads: Downloads = field(default_factory=Downloads)

    def run(self, tools: Sequence[Tool]) -> None:
        """Get every tool that the store does not have. Raises `ToolchainError`."""
        if all(map(self.store.has, tools)):
            return
        with self.store.locked(lambda: self.say("waiting for another run")):
            for tool in tools:
                if not self.store.has(tool):
                    self._get(tool)

    def _get(self, tool: Tool) -> None:
        found = tool.installed()
        if found:
            self.store.add(tool, lambda out: _link(found, out))
            self.say(f"{tool}: found in {next(iter(found.values())).parent}")
            return

        def fill(out: Path) -> None:
            with self._step(f"{tool}: downloading") as step:
                if self.downloads.fetch(tool.urls, tool.files, out):
                    step.done = f"{tool}: downloaded"
                    return
            self._build(tool, out)

        self.store.add(tool, fill)

    def _build(self, tool: Tool, out: Path) -> None:
        self.say(f"{tool}: building, which may take minutes")
        log = self.store.root / "logs" / f"{tool.name}.log"
        log.parent.mkdir(exist_ok=True)
        log.write_bytes(b"")
        with self._step(f"{tool}: building") as step, self.store.scratch() as scratch:
            workshop = Workshop(scratch / "source", self.store.root / "go", log)
            self.store.copy_sources(workshop.source)
            try:
                tool.build(workshop, out)
            except BuildError as failure:
                raise ToolchainError(f"{tool} could not be built: {failure}") from None
            step.done = f"{tool}: built"

    @contextmanager
    def _step(self, doing: str) -> Iterator[_Step]:
        """Show one step while it goes on, and how long it took once it is done."""
        step, start = _Step(), time.monotonic()
        console = Console()
        if console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            with Progress(*columns, console=console, transient=True) as progress:
                progress.add_task(doing, total=None)
                yield step
        else:
            yield step
        if step.done:
            self.say(f"{step.done} in {time.monotonic() - start:.0f} s")


@dataclass
class _Step:
    done: str = ""
    """What to say of it in the end; nothing is said of what came to nothing."""


def _link(found: Mapping[str, Path], out: Path) -> None:
    for name, path in found.items():
        (out / name).symlink_to(path.resolve())
