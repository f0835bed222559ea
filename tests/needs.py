"""What tests need of a computer: who runs one by hand sees it skipped, `python -m tests` fails without."""

from __future__ import annotations

import os
import subprocess
from tempfile import TemporaryDirectory, gettempdir
from typing import NoReturn

import pytest

STAGE = "PLEX_ON_NIXOS_TESTS"
"""The variable of the environment that `python -m tests` sets for its stages."""


_OVERLAY = """
mkdir lower upper work merged
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged
"""


def missing(what: str) -> NoReturn:
    """End a test because the computer lacks something. A test that can never run there skips itself."""
    if os.environ.get(STAGE):
        pytest.fail(f"`python -m tests` runs every test, and this computer lacks something: {what}")
    pytest.skip(what)


def needs(what: str, there: object) -> pytest.MarkDecorator:
    """The mark of a test, or of a file of tests, that something is missing for unless it is there."""
    return pytest.mark.needs(what, bool(there))


def check(item: pytest.Item) -> None:
    """Hold the marks of `needs` against the computer."""
    for mark in item.iter_markers("needs"):
        what, there = mark.args
        if not there:
            missing(what)


def absent() -> list[str]:
    """What this computer lacks for the tests beyond what `sandbox.preflight` asks for, with what to do."""
    return [
        f"No overlay can be made in {folder}, which probably lies on one itself: mount a tmpfs there; "
        f"for a container of Docker's, `--tmpfs {folder}:exec`."
        for folder in sorted({gettempdir(), "/var/tmp"})  # noqa: S108 - where tests make machines and homes
        if not _takes_overlays(folder)
    ]


def _takes_overlays(folder: str) -> bool:
    """Whether an overlay can write to a folder."""
    with TemporaryDirectory(dir=folder) as trial:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-euc", _OVERLAY],
            cwd=trial,
            capture_output=True,
            check=False,
            timeout=60,
        )
    return done.returncode == 0
