"""The matrix of faults is the one that the tests declare."""

from __future__ import annotations

import subprocess
import sys

from tests.stack import REPO


def test_the_documented_faults_are_those_that_are_tested() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.faults", "--check"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
