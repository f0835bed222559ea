"""The daemon that the world lives in: started, awaited, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sandbox import toolchain
from sandbox.errors import SandboxError
from sandbox.paths import REPO, STATE, namespace
from sandbox.world import lock, network

_START_SECONDS = 120
_STOP_SECONDS = 60


def start(say: Callable[[str], None], state: Path = STATE) -> None:
    """Start the daemon unless it runs, and wait until everything in the world answers.

    Raises:
        SandboxError: it ended, or was not ready in time; the message has the end of its log.
    """
    if lock.holder(state / "world.pid") is None:
        (state / "world.json").unlink(missing_ok=True)  # of a daemon that was killed
        network.up(namespace(state))
        with (state / "world.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    "nsenter",
                    f"--net=/run/netns/{namespace(state)}",
                    sys.executable,
                    "-m",
                    "sandbox.world",
                    "serve",
                    f"--pebble={toolchain.locations().pebble}",
                    f"--rclone={toolchain.locations().rclone}",
                ],
                cwd=REPO,
                env={**os.environ, "SANDBOX_STATE": str(state)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        say(f"process {process.pid}, network namespace {namespace(state)}")
        _await(lambda: (state / "world.json").exists(), process, state)
    else:
        _await(lambda: (state / "world.json").exists(), None, state)
        say("it is up")


def _await(ready: Callable[[], bool], process: subprocess.Popen[bytes] | None, state: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        if (process is not None and process.poll() is not None) or time.monotonic() > deadline:
            tail = (state / "world.log").read_text(errors="replace")[-2000:]
            raise SandboxError(f"the sandbox's daemon is not up:\n{tail}")
        time.sleep(0.1)


def stop(state: Path = STATE) -> None:
    """End the daemon, which stops its machines; one that does not listen is killed."""
    for number, seconds in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, 5)):
        process = lock.holder(state / "world.pid")
        if process is None:
            return
        os.kill(process, number)
        deadline = time.monotonic() + seconds
        while lock.holder(state / "world.pid") is not None and time.monotonic() < deadline:
            time.sleep(0.1)
