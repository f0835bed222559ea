"""Which stacks a change of the project's files concerns."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from fleet import stacks

_STACK_FILE = re.compile(r"Pulumi\.([^/]+)\.yaml")


def touched(base: str, folder: Path = stacks.FOLDER) -> list[str]:
    """The stacks whose own file is another than where this branch left `base`; all of them, if any other
    file is. What is not committed yet counts too.

    Args:
        base: a commit. If it is empty, or git does not know it, all stacks are concerned.
        folder: the project's.
    """
    present = stacks.present(folder)
    files = _changed(base, folder) if base else None
    if files is None:
        return present
    own = [_STACK_FILE.fullmatch(name) for name in files]
    if not all(own):
        return present
    named = {match[1] for match in own if match}
    return [name for name in present if name in named]


def _changed(base: str, folder: Path) -> list[str] | None:
    done = subprocess.run(
        [
            "git",
            "diff",
            "--name-only",
            "--no-renames",
            "-z",
            "--relative",
            "--merge-base",
            base,
            "--",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["git failed"])[0]
        print(
            f"fleet: every stack counts as touched, since {base} is unknown: {why}", file=sys.stderr
        )
        return None
    return done.stdout.rstrip("\0").split("\0") if done.stdout else []
