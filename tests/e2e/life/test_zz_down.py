"""After `make sandbox-down`, nothing of the sandbox is left. Named to run last."""

from __future__ import annotations

import subprocess

from sandbox.paths import namespace
from tests.e2e.sandbox import Sandbox


def test_down_leaves_nothing(sandbox: Sandbox) -> None:
    done = sandbox.python("-m", "sandbox", "down")
    assert done.returncode == 0, done.stdout + done.stderr
    name = namespace(sandbox.state)
    for command in (
        ["ip", "netns", "list"],
        ["ps", "-eo", "args"],
        ["losetup", "--list", "--noheadings", "--output", "BACK-FILE"],
        ["cat", "/proc/mounts"],
        ["ip", "-o", "link"],
    ):
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert name not in listing, command
        assert str(sandbox.state) not in listing, command
    assert not sandbox.state.exists()
