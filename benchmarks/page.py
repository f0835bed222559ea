"""What the pages of figures have in common."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime


def made() -> dict[str, str]:
    """When figures are made, and on which computer."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} processors, {platform.system()} {platform.release()}",
    }


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
