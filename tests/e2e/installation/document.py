"""The commands of a document, what it says that they print, and which test runs them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ELLIPSIS = "…"

_MARK = re.compile(r" *<!-- (run by|as in|not run): (.+) -->")
_PROGRAM = re.compile(
    r"(?:\.|\./sandbox/enter|cat|chroot|cp|curl|echo|export|for|git|hcloud|journalctl|ls|make|mount"
    r"|pulumi|python|read|reboot|rclone|restic|sqlite3|ssh|ssh-keygen|sudo|umount|HCLOUD_TOKEN=\S+)(?= |$)"
)


@dataclass
class Command:
    """A command by its line in the document, with the lines that follow it."""

    line: int
    text: str
    printed: list[str] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        """Its words, without a comment."""
        return shlex.split(self.text, comments=True)


@dataclass
class Block:
    """Commands that stand together.

    `marked` is what the comment above it says, or the one above the document's title: `run by` with the paths
    of tests, `as in` with a document that has the same commands, or `not run` with the reason.
    """

    document: Path
    line: int
    commands: list[Command]
    shown: bool
    """Whether it shows what the commands print."""
    marked: tuple[str, str] | None

    @property
    def tests(self) -> list[str]:
        """The paths of the tests that run it, with their names if these are said."""
        return self.marked[1].split(", ") if self.marked and self.marked[0] == "run by" else []


def blocks(document: Path) -> Iterator[Block]:
    """Every block of commands: of the kinds `console` and `sh`, and what is indented and begins with one."""
    lines = document.read_text().splitlines()
    default = mark = None
    number = 0
    while number < len(lines):
        line = lines[number]
        begin = number
        number += 1
        if found := _MARK.fullmatch(line):
            mark = (found[1], found[2])
            continue
        if not line:
            continue
        if line.startswith("# "):
            default, mark = mark, None
        elif fence := re.match(r" *```(\w*)", line):
            while not lines[number].lstrip().startswith("```"):
                number += 1
            inside = lines[begin + 1 : number]
            number += 1
            if fence[1] in {"console", "sh"}:
                shown = fence[1] == "console"
                commands = _shown if shown else _plain
                yield Block(
                    document, begin + 1, list(commands(inside, begin + 2)), shown, mark or default
                )
        elif line.startswith("    ") and (begin == 0 or not lines[begin - 1]):
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number]):
                number += 1
            inside = [each.removeprefix("    ") for each in lines[begin:number]]
            if _PROGRAM.match(inside[0]):
                plain = list(_plain(inside, begin + 1))
                yield Block(document, begin + 1, plain, False, mark or default)
        mark = None


def commands(document: Path) -> Iterator[Command]:
    """Every command whose output the document shows, in order."""
    for block in blocks(document):
        if block.shown:
            yield from block.commands


def _shown(lines: Sequence[str], first: int) -> Iterator[Command]:
    current: Command | None = None
    for number, line in enumerate(lines, first):
        if line.startswith("$ "):
            if current:
                yield current
            current = Command(number, line.removeprefix("$ "))
        else:
            assert current, f"line {number}: output without a command"
            current.printed.append(line)
    if current:
        yield current


def _plain(lines: Sequence[str], first: int) -> Iterator[Command]:
    for number, line in enumerate(lines, first):
        if line:
            yield Command(number, line)


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
