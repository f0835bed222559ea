"""What is asked of systemd, by systemctl."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """How a unit stands, in systemd's words."""

    active: str
    sub: str


def systemctl(*arguments: str) -> bool:
    """Run systemctl, its output where ours goes. Whether it succeeded."""
    sys.stderr.flush()
    return subprocess.run(["systemctl", *arguments], stdout=sys.stderr, check=False).returncode == 0


def _asked(*arguments: str) -> str:
    done = subprocess.run(["systemctl", *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def units() -> dict[str, State]:
    """The units that systemd has in memory and that are up, failed or on their way."""
    states = {}
    for line in _asked("list-units", "--no-pager", "--no-legend", "--plain", "--full").splitlines():
        name, _load, active, sub = line.split()[:4]
        states[name] = State(active, sub)
    return states


def refuses_manual_start(unit: str) -> bool:
    """Whether systemd would refuse to start a unit by name."""
    return _asked("show", "--value", "--property=RefuseManualStart", unit).strip() == "yes"


def went_wrong(unit: str) -> bool:
    """Whether a unit that is about to be started again ended with an error."""
    return _asked("show", "--value", "--property=ExecMainStatus", unit).strip() not in {"", "0"}
