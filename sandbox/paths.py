"""Where the sandbox keeps things, and what it calls them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plex-on-nixos"
"""What is slow to make, keyed by its versions; it outlives `make sandbox-down`."""

STATE = Path(os.environ.get("SANDBOX_STATE") or REPO / ".sandbox").resolve()
"""Everything of one sandbox; `make sandbox-down` removes it."""


def namespace(state: Path = STATE) -> str:
    """The network namespace of a sandbox's world; the names of its machines' begin with it."""
    return f"plexsb-{hashlib.sha256(str(state).encode()).hexdigest()[:6]}"
