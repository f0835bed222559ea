"""What tests need of a computer: who runs one by hand sees it skipped, `python -m tests` fails without."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
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
    """What this computer lacks for the tests, each with what to do."""
    return list(_absent())


def _absent() -> Iterator[str]:
    if os.geteuid() != 0:
        yield "This is not root, who makes servers: run it as root."
    if not shutil.which("systemd-nspawn"):
        yield "There is no systemd-nspawn, which servers run in: apt install systemd-container."
    for device, use, module in (
        ("/dev/fuse", "the mount of the media", "fuse"),
        ("/dev/loop-control", "the servers' disks", "loop"),
    ):
        try:
            Path(device).open("r+b", buffering=0).close()
        except OSError as error:
            yield (
                f"{device}, for {use}, cannot be opened ({error.strerror}): `modprobe {module}`; "
                f"a container has to be a privileged one."
            )
    done = subprocess.run(
        ["unshare", "--net", "true"], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        yield (
            f"No network namespace can be made ({done.stderr.strip()}): a container has to be a "
            f"privileged one."
        )
        return
    for folder in (gettempdir(), "/var/tmp"):  # noqa: S108 - where tests make their machines and homes
        if not _takes_overlays(folder):
            yield (
                f"No overlay can be made in {folder}, which probably lies on one itself: mount a tmpfs "
                f"there; for a container of Docker's, `--tmpfs {folder}:exec`."
            )


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
