"""The commands of a document and what it says that they print: its blocks of the kind `console`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ELLIPSIS = "…"


@dataclass
class Command:
    """A command by its line in the document, with the lines that follow it."""

    line: int
    text: str
    printed: list[str] = field(default_factory=list)


def commands(document: Path) -> Iterator[Command]:
    """Every line that begins with `$` in a block of the kind `console`, in order."""
    current: Command | None = None
    inside = False
    for number, line in enumerate(document.read_text().splitlines(), 1):
        if line.startswith("```"):
            if current:
                yield current
            current, inside = None, line == "```console"
        elif inside and line.startswith("$ "):
            if current:
                yield current
            current = Command(number, line.removeprefix("$ "))
        elif inside:
            assert current, f"{document}:{number}: output without a command"
            current.printed.append(line)


def difference(documented: Sequence[str], printed: Sequence[str]) -> str | None:
    """What is wrong with the document, or None.

    Empty lines and spaces at the end do not count. An ellipsis that is a line stands for any number of
    lines, one within a line for any text.
    """
    wanted = [line.rstrip() for line in documented if line.strip()]
    actual = [line.rstrip() for line in printed if line.strip()]
    # After how many of the printed lines everything so far may have matched.
    reached = {0}
    for line in wanted:
        if line == ELLIPSIS:
            after = set(range(min(reached), len(actual) + 1))
        else:
            pattern = ".*".join(re.escape(part) for part in line.split(ELLIPSIS))
            after = {n + 1 for n in reached if n < len(actual) and re.fullmatch(pattern, actual[n])}
        if not after:
            return f"it does not print {line!r} there"
        reached = after
    if len(actual) not in reached:
        return f"it also prints {actual[max(reached)]!r}"
    return None
