"""The options of NixOS 25.11, against which what is set, and what the miniature declares, is held."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

_HERE = Path(__file__).parent


def table() -> dict[str, str]:
    """Every option's type in words, by its name, in which any name at somebody's choice is `<name>`."""
    listed = gzip.decompress((_HERE / "nixos-options.tsv.gz").read_bytes()).decode()
    unlisted = (_HERE / "nixos-options-unlisted.tsv").read_text()
    rows = (
        line.split("\t") for line in (listed + unlisted).splitlines() if not line.startswith("#")
    )
    return {re.sub(r"<[^>]*>", "<name>", name): kind for name, kind in rows}
