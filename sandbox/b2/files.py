"""Writing a file so that it is there whole, or not at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Writes `value` to `path` with mode 0600, atomically; makes the folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        json.dump(value, file, indent=1)
    Path(file.name).replace(path)
