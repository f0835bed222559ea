"""pytest at work on tests that are given as text, with what all tests here have in common."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sandbox.paths import REPO
from tests.needs import STAGE


def run(folder: Path, tests: str, *options: str, stage: str = "") -> tuple[int, str]:
    """Run a file of tests.

    Args:
        folder: a new one.
        tests: the file's text.
        options: pytest's.
        stage: the name of the stage that it is of; none for a run by hand.

    Returns:
        How pytest ends, and what it prints.
    """
    folder.mkdir()
    (folder / "test_it.py").write_text(tests)
    environment = {key: value for key, value in os.environ.items() if key != STAGE}
    ours = ["-p", "tests.conftest", "-c", str(REPO / "pyproject.toml"), f"--rootdir={folder}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *ours, *options, str(folder)],
        cwd=REPO,
        env=environment | ({STAGE: stage} if stage else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
