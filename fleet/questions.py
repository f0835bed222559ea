"""Questions, one at a time: to a person in a terminal, or to a script that gives a line for each."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from typing import TypeVar

from fleet.errors import FleetError

T = TypeVar("T")


class Questions:
    """Asks on standard output, and reads from standard input.

    A person is asked again until an answer does. A script's answer that does not do ends it, since all that
    follow would be taken for others.
    """

    def __init__(self) -> None:
        self._person = sys.stdin.isatty()

    def say(self, text: str) -> None:
        """Tell something between the questions."""
        print(text, flush=True)

    def ask(
        self, what: str, check: Callable[[str], T], *, default: str = "", secret: bool = False
    ) -> T:
        """The answer, as `check` makes it of the text.

        Args:
            what: the question.
            check: raises ValueError with what is wrong.
            default: what an empty answer means.
            secret: is not shown while it is typed.

        Raises:
            FleetError: a script's answer does not do.
        """
        shown = f"{what} [{default}]: " if default and not secret else f"{what}: "
        return self.until(lambda: check(self._read(shown, secret=secret) or default), what)

    def until(self, attempt: Callable[[], T], what: str) -> T:
        """The result of an attempt that may ask several questions; a person makes it until it works."""
        while True:
            try:
                return attempt()
            except ValueError as error:
                if not self._person:
                    raise FleetError(f"{what.partition(': ')[0]}: {error}") from error
                self.say(f"  {error}")

    def _read(self, shown: str, *, secret: bool) -> str:
        if self._person:
            return (getpass.getpass(shown) if secret else input(shown)).strip()
        print(shown, end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            raise FleetError("the answers have come to an end before the questions")
        print()
        return line.strip()
