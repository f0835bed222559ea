"""One line for each stack while they are worked on: live in a terminal, else whenever it changes."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from threading import Lock

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fleet.progress import Progress, counted

STYLES = {"done": "green", "failed": "red", "interrupted": "yellow", "not begun": "dim"}


@dataclass
class _Line:
    progress: Progress | None = None
    began: float = 0
    ended: float | None = None
    result: str = ""
    message: str = ""
    printed: str = ""


class Display:
    """What several stacks are at. Every method may be called from any thread."""

    def __init__(self, names: list[str], console: Console) -> None:
        self._console = console
        self._lines = {name: _Line() for name in names}
        self._width = max(map(len, names))
        self._lock = Lock()
        self._began = time.monotonic()

    def showing(self) -> AbstractContextManager[object]:
        """Shows it, for as long as this context lasts."""
        if not self._console.is_terminal:
            return nullcontext()
        return Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
        )

    def begin(self, name: str, progress: Progress) -> None:
        """A stack's turn has come."""
        with self._lock:
            line = self._lines[name]
            line.progress, line.began = progress, time.monotonic()
        self.changed(name)

    def changed(self, name: str) -> None:
        """A stack's progress is another."""
        with self._lock:
            line = self._lines[name]
            phase = line.progress.phase if line.progress else ""
            if line.printed == phase:
                return
            line.printed = phase
            self._print(name, phase)

    def end(self, name: str, result: str, message: str) -> None:
        """A stack's turn is over, or never came."""
        with self._lock:
            line = self._lines[name]
            line.result, line.message, line.ended = result, message, time.monotonic()
            changes = line.progress.changes if line.progress else {}
            words = [result, f"({counted(changes)})" if changes else "", message]
            self._print(name, " ".join(word for word in words if word))

    def tell(self, name: str, text: str) -> None:
        """What a stack's program says to whoever runs it."""
        self._console.print(f"{name}: {text}", markup=False, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Something about all of them."""
        self._console.print(f"fleet: {text}", style="yellow", markup=False, highlight=False)

    def _print(self, name: str, text: str) -> None:
        if not self._console.is_terminal:
            seconds = time.monotonic() - self._began
            self._console.print(
                f"{seconds:6.1f} s  {name:{self._width}}  {text}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def _render(self) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 1), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        with self._lock:
            for name, line in self._lines.items():
                table.add_row(name, *_cells(line))
        return table


def _cells(line: _Line) -> tuple[Text | str, ...]:
    if line.result:
        text = Text(f"{line.result} {line.message}".strip(), style=STYLES[line.result])
    elif line.progress:
        text = Text(line.progress.phase)
    else:
        return "", "", Text("waiting", style="dim")
    if not line.progress:
        return "", "", text
    seconds = (line.ended or time.monotonic()) - line.began
    changes = line.progress.changes
    return f"{seconds:.0f} s", counted(changes) if changes else "", text
