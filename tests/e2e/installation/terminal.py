"""A terminal with a shell in it, and somebody who types and reads what it shows."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

_ROWS, _COLUMNS = 200, 200  # larger than anything that is shown, so that nothing scrolls or wraps
_PROMPT = "<<$?>> "


class Screen:
    """What is to be seen, of which old lines are never dropped: text, and where it was written over.

    It knows as much of a terminal's control sequences as progress displays and prompts use.
    """

    _TOKEN = re.compile(
        r"\x1b\[([?<>=0-9;]*)([a-zA-Z])"  # a control sequence: its numbers and its letter
        r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()].|\x1b[^\[\]()]"  # others, of no effect here
        r"|[\r\n\b]|[^\x1b\r\n\b]+"
    )

    def __init__(self) -> None:
        self.lines = [""]
        self._row = self._column = 0

    def write(self, text: str) -> str:
        """Show text; what is returned is the begin of a sequence that has not ended, to be sent again."""
        end = 0
        for token in self._TOKEN.finditer(text):
            if token.start() != end:
                break
            end = token.end()
            self._show(token)
        return text[end:]

    def _show(self, token: re.Match[str]) -> None:
        text = token[0]
        if token[2]:
            self._control(token[1], token[2])
        elif text == "\r":
            self._column = 0
        elif text == "\n":
            self._down(1)
        elif text == "\b":
            self._column = max(0, self._column - 1)
        elif not text.startswith("\x1b"):
            line = self.lines[self._row].ljust(self._column)
            self._column += len(text)
            self.lines[self._row] = line[: self._column - len(text)] + text + line[self._column :]

    def _control(self, numbers: str, what: str) -> None:
        number = int(numbers) if numbers.isdigit() else 0
        line = self.lines[self._row]
        if what == "A":
            self._row = max(0, self._row - max(1, number))
        elif what == "B":
            self._down(max(1, number))
        elif what == "G":
            self._column = max(0, number - 1)
        elif what == "K":
            self.lines[self._row] = "" if number == 2 else line[: self._column]
        elif what == "J":
            self.lines[self._row :] = [line[: self._column]]

    def _down(self, rows: int) -> None:
        self._row += rows
        self.lines += [""] * (self._row + 1 - len(self.lines))


@dataclass(frozen=True)
class Answer:
    """What is typed once a question is to be seen, or, without one, once what is typed is hidden. A function
    does something first, and returns what is typed."""

    question: str | None
    text: str | Callable[[], str]


class Terminal:
    """A shell in a terminal of its own.

    Args:
        command: the shell's command line.
        environment: its environment; the prompt and the terminal's kind are added.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.screen = Screen()
        self._pending = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._terminal, shell_side = pty.openpty()
        fcntl.ioctl(shell_side, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        self._shell = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command],
            stdin=shell_side,
            stdout=shell_side,
            stderr=shell_side,
            # Programs ask a terminal that calls itself xterm for its colours, and wait for the answer.
            env={**environment, "TERM": "screen", "PS1": _PROMPT, "PS2": ""},
        )
        os.close(shell_side)
        self._await(_prompted, 0, time.monotonic() + 30)

    @property
    def text(self) -> str:
        """Everything that is to be seen."""
        return "\n".join(self.screen.lines)

    def close(self) -> None:
        """End the shell, as a closed window does."""
        os.close(self._terminal)
        with suppress(ProcessLookupError):
            self._shell.terminate()
        self._shell.wait()

    def type(self, text: str) -> None:
        """Type text, as it is."""
        os.write(self._terminal, text.encode())

    def run(
        self, command: str, answers: Sequence[Answer] = (), *, seconds: float
    ) -> tuple[str, int]:
        """Type a command, answer its questions in their order, and wait for the next prompt.

        Returns:
            What is to be seen of it below the line with the command, and its status.

        Raises:
            TimeoutError: a question or the prompt did not come; the message has what is to be seen.
        """
        first = len(self.screen.lines)
        deadline = time.monotonic() + seconds
        self.type(command + "\n")
        for answer in answers:
            asked = self._hidden if answer.question is None else partial(_contains, answer.question)
            self._await(asked, first, deadline)
            self.type(answer.text if isinstance(answer.text, str) else answer.text())
        self._await(_prompted, first, deadline)
        *shown, prompt = self.screen.lines[first:]
        return "\n".join(line.rstrip() for line in shown), int(prompt.strip("<> "))

    def _await(self, ready: Callable[[list[str]], bool], first: int, deadline: float) -> None:
        while not ready(self.screen.lines[first:]):
            if time.monotonic() > deadline:
                raise TimeoutError("\n".join(self.screen.lines[first - 1 :]))
            if not select.select([self._terminal], [], [], 0.05)[0]:
                continue
            text = self._decoder.decode(os.read(self._terminal, 1 << 16))
            self._pending = self.screen.write(self._pending + text)

    def _hidden(self, _: list[str]) -> bool:
        flags: int = termios.tcgetattr(self._terminal)[3]
        return not flags & termios.ECHO


def _contains(question: str, lines: list[str]) -> bool:
    return any(question in line for line in lines)


def _prompted(lines: list[str]) -> bool:
    return bool(lines) and re.fullmatch(r"<<\d+>> ", lines[-1]) is not None
