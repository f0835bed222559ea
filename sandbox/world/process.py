"""What the programs that the sandbox starts have in common."""

from __future__ import annotations

DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Before a command: whoever was killed must not leave it behind, as on the ports of the next daemon."""
