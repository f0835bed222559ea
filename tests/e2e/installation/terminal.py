"""A terminal with a shell in it, and somebody who types and reads what it shows."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pexpect
import pyte

_ROWS, _COLUMNS = 2000, 200  # larger than anything that is shown, so that nothing scrolls or wraps
_PROMPT = "<<$?>> "


class _Screen(pyte.Screen):
    def restore_cursor(self) -> None:
        # A real terminal goes back to the saved place any number of times, pyte once for each save.
        super().restore_cursor()
        self.save_cursor()


@dataclass(frozen=True)
class Answer:
    """What is typed once a question is to be seen, or, without one, once what is typed is hidden. A function
    does something first, and returns what is typed."""

    question: str | None
    text: str | Callable[[], str]
    keys: bool = False
    """Whether each key is taken as it is pressed, for which the terminal has to be ready."""


class NotAskedError(Exception):
    """A command ended before it asked what it was to be answered."""


class Terminal:
    """A shell in a terminal of its own.

    Args:
        command: the shell's command line.
        environment: its environment; the prompt and the terminal's kind are added.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._screen = _Screen(_COLUMNS, _ROWS)
        self._shown = pyte.Stream(self._screen)
        self._shell: pexpect.spawn[str] = pexpect.spawn(
            command[0],
            list(command[1:]),
            # Programs ask a terminal that calls itself xterm for its colours, and wait for the answer.
            env={**environment, "TERM": "screen", "PS1": _PROMPT, "PS2": ""},
            dimensions=(_ROWS, _COLUMNS),
            encoding="utf-8",
            codec_errors="replace",
        )
        self._await(self._prompted, 0, time.monotonic() + 120)

    @property
    def text(self) -> str:
        """Everything that is to be seen."""
        return "\n".join(self._lines(0))

    def close(self) -> None:
        """End the shell, as a closed window does."""
        self._shell.close(force=True)

    def type(self, text: str) -> None:
        """Type text, as it is."""
        self._shell.send(text)

    def run(
        self, command: str, answers: Sequence[Answer] = (), *, seconds: float
    ) -> tuple[str, int]:
        """Type a command, answer its questions in their order, and wait for the next prompt.

        Returns:
            What is to be seen of it below the line with the command, and its status.

        Raises:
            NotAskedError: the command has ended without a question; the message has what is to be seen.
            TimeoutError: a question or the prompt did not come; the message is alike.
        """
        first = self._screen.cursor.y + 1
        deadline = time.monotonic() + seconds
        self.type(command + "\n")
        for answer in answers:
            self._await(partial(self._asked_or_ended, answer), first, deadline)
            if not self._asked(answer, self._lines(first)):
                raise NotAskedError("\n".join(self._lines(first - 1)))
            self.type(answer.text if isinstance(answer.text, str) else answer.text())
        self._await(self._prompted, first, deadline)
        *shown, prompt = self._lines(first)
        return "\n".join(shown), int(prompt.strip("<> "))

    def _lines(self, first: int) -> list[str]:
        """What is to be seen from a row on, to the cursor's."""
        screen = self._screen
        rows = range(first, screen.cursor.y + 1)
        return ["".join(screen.buffer[y][x].data for x in range(_COLUMNS)).rstrip() for y in rows]

    def _await(self, ready: Callable[[list[str]], bool], first: int, deadline: float) -> None:
        while not ready(self._lines(first)):
            if time.monotonic() > deadline:
                raise TimeoutError("\n".join(self._lines(first - 1)))
            try:
                self._shown.feed(self._shell.read_nonblocking(1 << 16, timeout=0.05))
            except pexpect.TIMEOUT:
                continue

    def _asked_or_ended(self, answer: Answer, lines: list[str]) -> bool:
        return self._asked(answer, lines) or self._prompted(lines)

    def _asked(self, answer: Answer, lines: list[str]) -> bool:
        if (answer.question is None or answer.keys) and self._shell.getecho():
            return False
        return answer.question is None or any(answer.question in line for line in lines)

    @staticmethod
    def _prompted(lines: list[str]) -> bool:
        return bool(lines) and re.fullmatch(r"<<\d+>>", lines[-1]) is not None
