"""The slow line of the benchmarks, between two programs in a network of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sandbox.paths import REPO
from tests.needs import needs

pytestmark = needs("makes a network namespace, which takes root", os.geteuid() == 0)

_NETWORK = f"relay-{os.getpid()}"
_HOST = "192.0.2.9"
_ECHO = f"""
import socket
server = socket.create_server(("{_HOST}", 22))
print("listens", flush=True)
while True:
    connection, _ = server.accept()
    while said := connection.recv(65536):
        connection.sendall(said)
"""
_TALK = f"""
import socket
with socket.create_connection(("{_HOST}", 22)) as connection:
    for number in range(3):
        connection.sendall(b"x" * 1000)
        heard = b""
        while len(heard) < 1000:
            heard += connection.recv(1000)
"""

_RESET = f"""
import socket, struct
connection = socket.create_connection(("{_HOST}", 22))
connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
connection.sendall(b"x")
connection.recv(1)
connection.close()
"""


def inside(*command: str) -> list[str]:
    return ["ip", "netns", "exec", _NETWORK, *command]


@pytest.fixture
def relay() -> Iterator[subprocess.Popen[str]]:
    with ExitStack() as stack:
        subprocess.run(["ip", "netns", "add", _NETWORK], check=True)
        stack.callback(subprocess.run, ["ip", "netns", "del", _NETWORK], check=True)
        for words in (("link", "set", "lo", "up"), ("addr", "add", f"{_HOST}/32", "dev", "lo")):
            subprocess.run(inside("ip", *words), check=True)
        for arguments in (("-c", _ECHO), ("-m", "benchmarks.up.relay")):
            process = stack.enter_context(
                subprocess.Popen(
                    inside(sys.executable, *arguments),
                    cwd=REPO,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            if arguments[0] == "-c":
                assert process.stdout is not None
                assert process.stdout.readline() == "listens\n"
        yield process


def set_to(relay: subprocess.Popen[str], seconds: float) -> dict[str, int]:
    assert relay.stdin is not None
    assert relay.stdout is not None
    relay.stdin.write(f"{seconds}\n")
    relay.stdin.flush()
    passed: dict[str, int] = json.loads(relay.stdout.readline())
    return passed


def test_what_passes_is_counted_and_takes_its_time(relay: subprocess.Popen[str]) -> None:
    set_to(relay, 0.2)
    began = time.monotonic()
    subprocess.run(inside(sys.executable, "-c", _TALK), check=True)
    took = time.monotonic() - began

    # The connection, and three questions with their answers.
    assert set_to(relay, 0) == {"connections": 1, "round_trips": 4, "bytes": 6000}
    assert took > 4 * 0.2


def test_a_connection_that_is_reset_holds_up_no_other(relay: subprocess.Popen[str]) -> None:
    set_to(relay, 0)
    subprocess.run(inside(sys.executable, "-c", _RESET), check=True)
    set_to(relay, 0)

    subprocess.run(inside(sys.executable, "-c", _TALK), check=True, timeout=120)

    assert set_to(relay, 0) == {"connections": 1, "round_trips": 4, "bytes": 6000}
