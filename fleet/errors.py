"""What went wrong, in a sentence for whoever runs the command."""

from __future__ import annotations


class FleetError(Exception):
    """It cannot be done. The message says why, and what to do."""
