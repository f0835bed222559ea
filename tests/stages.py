"""A stage of the tests: a command, and for one of pytest's what of it failed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.running import Ended, Running

_REPO = Path(__file__).resolve().parent.parent
_CACHES = Path(".pytest_cache")
# More than that are no mishaps of a busy machine.
_MISHAPS = 3
# Of pytest's. With any other, there are tests that it has not run at all.
_TESTS_FAILED = 1


@dataclass(frozen=True)
class Stage:
    """A name, a command, and the files and folders that the command is given last.

    `without` is of the command, too: what leaves out that which takes long. `seconds` is the limit: what
    takes a computer's time here several times over.
    """

    name: str
    command: Sequence[str]
    paths: Sequence[str] = ()
    without: Sequence[str] = ()
    seconds: float = 1800

    def start(self) -> Running:
        """Begin."""
        command = [*self.command, *self.without, *self.paths]
        return Running(self.name, command, _REPO, self.seconds)

    def once_more(self, ended: Ended) -> Stage | None:
        """The files that failed, by themselves; None where others have not run, or where they are many."""
        if ended.status != _TESTS_FAILED:
            return None
        try:
            failed = json.loads((_REPO / _CACHES / self.name / "v/cache/lastfailed").read_text())
        except FileNotFoundError:
            return None
        files = sorted({test.partition("::")[0] for test in failed})
        return replace(self, paths=files) if 0 < len(files) <= _MISHAPS else None


def pytest(
    name: str, *paths: str, options: Sequence[str] = (), only: str = "", seconds: float
) -> Stage:
    """A stage of tests, which keeps what failed apart from the other stages' and from earlier runs'.

    Args:
        name: the stage's.
        paths: files and folders, from the top of the repository.
        options: pytest's.
        only: the expression of marks that leaves out what takes long, if anything does.
        seconds: the stage's limit, for all of its tests.
    """
    kept = ["-o", f"cache_dir={_CACHES / name}", "--cache-clear"]
    # What is printed is read here, whatever FORCE_COLOR in the environment asks for.
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "--color=no", *kept, *options]
    return Stage(name, command, paths, ["-m", only] if only else [], seconds)


def ahead(days: int, stage: Stage) -> Stage:
    """The same stage with the clock so many days ahead, which tests/unit/test_clock.py makes sure of.

    What measures how long something takes is left alone. libfaketime 0.9.10 turns CPython's wait for another
    thread into one that is over at once, and the processor does nothing else; so it is given CPython's 5 ms.
    """
    told = ["FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_WAIT_MS=5", f"CLOCK_AHEAD={days}"]
    return replace(stage, command=["env", *told, "faketime", "-f", f"+{days}d", *stage.command])
