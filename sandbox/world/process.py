"""What the programs that the daemon starts have in common."""

from __future__ import annotations

DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Before a command: a daemon that was killed must not leave it behind, on the ports of the next one."""
