"""A part that the computer lacks: said before anything runs, and never a test that is left out in silence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sandbox.paths import REPO
from tests.needs import needs
from tests.runtime import inner

_TESTS = """
import pytest
from tests.needs import missing, needs

@needs("there is no balloon", False)
def test_that_is_marked():
    pass

@pytest.fixture
def kite():
    missing("there is no kite")

def test_that_finds_out(kite):
    pass

@needs("there is no ground", True)
def test_that_has_all():
    pass
"""
# A computer with devices, packages and rights of its own.
_POOR = """
mount -t tmpfs dev /dev
mknod /dev/null c 1 3
programs=$1
shift
exec setpriv --bounding-set=-sys_admin env PATH="$programs" "$@"
"""

# As in a container, whose own folders are on an overlay.
_ON_AN_OVERLAY = """
mount -t overlay -o "lowerdir=/var/tmp,upperdir=$1/upper,workdir=$1/work" overlay /var/tmp
shift
exec "$@"
"""

_ABSENT = "from tests import needs; print(*needs.absent(), sep=chr(10))"
_MISSING = "from sandbox import packages, preflight; print(packages.missing(preflight.PACKAGES))"
_LACKING = "from sandbox import preflight; print(*preflight.lacking(), sep=chr(10))"


def test_who_runs_tests_by_hand_sees_what_was_skipped(tmp_path: Path) -> None:
    status, printed = inner.run(tmp_path / "inner", _TESTS, "-rs")

    assert status == 0, printed
    assert "1 passed, 2 skipped" in printed
    assert "there is no balloon" in printed
    assert "there is no kite" in printed


def test_a_missing_part_fails_the_stage(tmp_path: Path) -> None:
    status, printed = inner.run(tmp_path / "inner", _TESTS, stage="one.1/")

    assert status == 1, printed
    assert "1 passed, 2 errors" in printed
    assert "this computer lacks something: there is no balloon" in printed
    assert "this computer lacks something: there is no kite" in printed


def asked(ask: str, mounts: str, *words: object) -> list[str]:
    """The lines that Python prints on a computer that a script has changed by mounts."""
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "sh",
            "-euc",
            mounts,
            "sh",
            *map(str, words),
            sys.executable,
            "-c",
            ask,
        ],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@needs("takes devices away, which takes root", os.geteuid() == 0)
def test_what_a_computer_lacks_is_said_with_what_to_do(tmp_path: Path) -> None:
    for program in ("true", "unshare"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))

    network, fuse, loop, *_ = asked(_LACKING, _POOR, tmp_path)

    assert "/dev/fuse" in fuse
    assert "modprobe fuse" in fuse
    assert "/dev/loop-control" in loop
    assert "Operation not permitted" in network
    # What can be installed is.
    (packages,) = asked(_MISSING, _POOR, tmp_path)
    assert "systemd-container" in packages


@needs("mounts an overlay, which takes root", os.geteuid() == 0)
def test_an_overlay_that_cannot_lie_on_another_is_said_with_what_to_do(tmp_path: Path) -> None:
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()

    (line,) = asked(_ABSENT, _ON_AN_OVERLAY, tmp_path)

    assert "No overlay can be made in /var/tmp" in line
    assert "`--tmpfs /var/tmp:exec`" in line
