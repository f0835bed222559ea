"""The host's scripts are plain POSIX shell."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.rendering import NIX
from tests.stack import REPO

SCRIPTS = sorted((NIX / "host").rglob("*.sh"))
IDS = [str(path.relative_to(NIX / "host")) for path in SCRIPTS]


def test_there_are_scripts() -> None:
    assert {"converge.sh", "install.sh", "kexec.sh", "library/library.sh", "submit.sh"} <= set(IDS)


def test_shellcheck_finds_nothing() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "shellcheck", "-x", *map(str, SCRIPTS)],
        capture_output=True,
        text=True,
        cwd=REPO,
        check=False,
    )

    assert done.stdout == ""
    assert done.returncode == 0


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
@pytest.mark.parametrize("script", SCRIPTS, ids=IDS)
def test_a_shell_reads_it(shell: str, script: Path) -> None:
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=IDS)
def test_it_is_for_any_posix_shell_and_stops_at_errors(script: Path) -> None:
    first, *lines = script.read_text().splitlines()

    if first == "# shellcheck shell=sh":
        return  # sourced by the others
    assert first == "#!/bin/sh"
    assert re.match(r"set -eu", next(line for line in lines if line and not line.startswith("#")))
