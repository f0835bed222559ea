"""The machine behind a stack's server, seen from outside of it: power, connections, and what boots."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import suppress

from sandbox.paths import namespace
from tests.e2e.stack import Stack

_PATH = "/run/current-system/sw/bin:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_UNTIL = """
end=$(($(date +%s) + $1))
until eval "$2"; do
  [ "$(date +%s)" -lt "$end" ] || { echo "not within $1 s: $2"; exit 1; }
  sleep 0.1
done
"""


def boots(stack: Stack) -> list[str]:
    """What the server's firmware has booted, from its first day on."""
    console = stack.world.state / "machines" / str(stack.server()["id"]) / "console.log"
    return re.findall(r"firmware: [\d:]{8} \w+: (\w+)", console.read_text(errors="replace"))


def until_booted(stack: Stack, *stages: str) -> None:
    """Wait until the server has booted all of these, in this order, and no more."""
    deadline = time.monotonic() + 300
    while boots(stack) != list(stages):
        assert time.monotonic() < deadline, boots(stack)
        time.sleep(0.1)


def until_said(process: subprocess.Popen[str], text: str) -> str:
    """Read what Pulumi prints until a line has this text; all that was read."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} was never said:\n{said}")


def interrupt(process: subprocess.Popen[str], times: int = 1) -> None:
    """Press Ctrl-C, so that Pulumi has heard each."""
    for answer in ("^C received; cancelling", "^C received; terminating")[:times]:
        os.killpg(process.pid, signal.SIGINT)
        until_said(process, answer)


def cut_power(stack: Stack) -> None:
    """Switch the server off and on, as Hetzner's reset does."""
    stack.world.api("POST", f"/servers/{stack.server()['id']}/actions/reset")


def cut_sessions(stack: Stack) -> str:
    """Break the SSH connections to the server, as a router does that has lost its memory.

    Returns:
        A line for each.
    """
    address = stack.server()["public_net"]["ipv4"]["ip"]
    world = namespace(stack.world.state)
    ss = ("ss", "--no-header", "--tcp", "--kill")
    return _run("ip", "netns", "exec", world, *ss, "dst", address, "dport", "=", "22")


def shell(stack: Stack, script: str, *arguments: str) -> str:
    """What a script prints on the server, as root, without SSH. It has to succeed."""
    machine = f"{namespace(stack.world.state)}-m{stack.server()['id']}"
    nspawn = _run("pgrep", "--full", f"machine={machine} ").strip()
    init = _run("pgrep", "--parent", nspawn).strip()
    inside = ["nsenter", "--all", f"--target={init}", "env", "-i", f"PATH={_PATH}", "HOME=/root"]
    return _run(*inside, "sh", "-euc", script, "sh", *arguments)


def until_up(stack: Stack) -> None:
    """Wait until everything that boots with the server's system has been started, well or not."""
    deadline = time.monotonic() + 300
    while True:
        with suppress(AssertionError):
            wait = "systemctl is-system-running --wait | grep -qx 'running\\|degraded'"
            shell(stack, wait)
            return
        assert time.monotonic() < deadline, "the server's system is not up"
        time.sleep(0.1)


def until(stack: Stack, condition: str, seconds: int = 300) -> None:
    """Wait until a condition, a line of shell, holds on the server."""
    shell(stack, _UNTIL, str(seconds), condition)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stdout + done.stderr)
    return done.stdout
