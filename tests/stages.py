"""A stage of the tests: a command, and for one of pytest's what of it failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

_REPO = Path(__file__).resolve().parent.parent
_CACHES = Path(".pytest_cache")
# More than that are no mishaps of a busy machine.
_MISHAPS = 3


@dataclass(frozen=True)
class Stage:
    """A name, a command, and the files and folders that the command is given last.

    `without` is of the command, too: what leaves out that which takes long.
    """

    name: str
    command: Sequence[str]
    paths: Sequence[str] = ()
    without: Sequence[str] = ()

    def start(self, output: IO[str] | None = None) -> subprocess.Popen[bytes]:
        """Begin; what is printed goes to `output`, if there is one."""
        errors = None if output is None else subprocess.STDOUT
        command = [*self.command, *self.without, *self.paths]
        return subprocess.Popen(
            command, cwd=_REPO, env=_environment(), stdout=output, stderr=errors
        )

    def once_more(self) -> Stage | None:
        """The files that failed, by themselves; None where it is not known which, or where they are many."""
        try:
            failed = json.loads((_REPO / _CACHES / self.name / "v/cache/lastfailed").read_text())
        except FileNotFoundError:
            return None
        files = sorted({test.partition("::")[0] for test in failed})
        return replace(self, paths=files) if 0 < len(files) <= _MISHAPS else None


def pytest(name: str, *paths: str, options: Sequence[str] = (), only: str = "") -> Stage:
    """A stage of tests, which keeps what failed apart from the other stages' and from earlier runs'.

    Args:
        name: the stage's.
        paths: files and folders, from the top of the repository.
        options: pytest's.
        only: the expression of marks that leaves out what takes long, if anything does.
    """
    kept = ["-o", f"cache_dir={_CACHES / name}", "--cache-clear"]
    command = [sys.executable, "-m", "pytest", "-q", *kept, *options]
    return Stage(name, command, paths, ["-m", only] if only else [])


def _environment() -> dict[str, str]:
    """The environment of a stage, without an SSH agent that Pulumi's commands would ask, and without what
    make tells the makes that it starts."""
    unwanted = {"SSH_AUTH_SOCK", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    return {key: value for key, value in os.environ.items() if key not in unwanted}
