"""Builds the tree of links that /etc/static is. Usage: build_etc.py FILES.json OUT"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def build(files: list[dict[str, str]], out: Path) -> None:
    """Link every file at its target; beside one that is not to be a link, write its mode and owners.

    Raises:
        SystemExit: two files have the same target.
    """
    for file in files:
        target = out / "etc" / file["target"]
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink():
            raise SystemExit(f"duplicate entry in environment.etc: {file['target']}")
        target.symlink_to(file["source"])
        if file["mode"] == "symlink":
            continue
        for kind in ("mode", "user", "group"):
            target.with_name(
                f"{target.name}.{'uid' if kind == 'user' else 'gid' if kind == 'group' else kind}"
            ).write_text(file[kind])


if __name__ == "__main__":
    build(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
