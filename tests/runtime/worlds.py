"""A world of a test's own, and machines in it that are no more than a network card."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox import inside, toolchain
from sandbox.credentials import HCLOUD_TOKEN
from sandbox.hetzner.state import mac
from sandbox.paths import REPO, namespace
from sandbox.world import network

_START_SECONDS = 120


@dataclass
class Card:
    """A machine's namespace with eth0, plugged into the switch."""

    world: World
    name: str

    def run(self, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """A command in the machine's network, whose resolver and trust are the world's."""
        there = ["nsenter", f"--net=/run/netns/{self.name}", "unshare", "--mount", "sh", "-euc"]
        script = 'mount --bind "$1" /etc/resolv.conf; shift; exec "$@"'
        return subprocess.run(
            [*there, script, "sh", str(self.world.state / "resolv.conf"), *command],
            env={**os.environ, "CURL_CA_BUNDLE": str(self.world.state / "ca.pem")},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def ask(self, url: str) -> str:
        """curl's answer; an error of HTTP's is one of curl's."""
        done = self.run("curl", "-sS", "-f", "-m", "20", url)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def lease(self, tries: int = 30) -> dict[str, str]:
        """What busybox's DHCP client is given, set up as systemd-networkd does; empty for nothing.

        Args:
            tries: how often it asks, a second apart.
        """
        script = self.world.state / "udhcpc"
        script.write_text(_UDHCPC)
        script.chmod(0o755)
        client = ["busybox", "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-T", "1"]
        done = self.run(*client, "-t", str(tries), "-s", str(script))
        return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


_UDHCPC = """#!/bin/sh -eu
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev "$interface"
ip route add "$router" dev "$interface"
ip route add default via "$router" dev "$interface"
printf '%s\\n' "ip=$ip" "mask=$mask" "router=$router" "dns=$dns"
"""


@dataclass
class World:
    """A running daemon."""

    state: Path
    process: subprocess.Popen[str]
    log: list[str]

    @property
    def namespace(self) -> str:
        return namespace(self.state)

    def run(self, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """A command as the sandbox's user runs it."""
        return subprocess.run(
            inside.command(list(command), self.state),
            env=inside.environment(self.state),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def ok(self, *command: str, timeout: float = 60) -> str:
        done = self.run(*command, timeout=timeout)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def api(self, method: str, path: str, **body: object) -> dict[str, dict[str, object]]:
        """A call of the Hetzner API."""
        answer = self.ok(
            *("curl", "-sS", "--fail-with-body", "-X", method, "-d", json.dumps(body)),
            *("-H", f"Authorization: Bearer {HCLOUD_TOKEN}", f"http://127.0.0.1:8000/v1{path}"),
        )
        result: dict[str, dict[str, object]] = json.loads(answer) if answer else {}
        return result

    def settle(self, action: dict[str, object]) -> None:
        """Asks for an action until it has ended, as the API's clients do; it must have succeeded."""
        while action["status"] == "running":
            time.sleep(0.05)
            action = self.api("GET", f"/actions/{action['id']}")["action"]
        assert action["status"] == "success", action

    @contextmanager
    def card(self, server_id: int) -> Iterator[Card]:
        """The card of a server, by its id; whether there is such a server is another question."""
        name = f"{self.namespace}-m{server_id}"
        port = f"m{server_id}"
        ip = ["ip", "-n", self.namespace]
        _do("ip", "netns", "add", name)
        try:
            # Nobody else has the address, and to find that out takes a second.
            quick = "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad"
            _do("ip", "netns", "exec", name, "sh", "-c", quick)
            peer = ["peer", "name", "eth0", "address", mac(server_id), "netns", name]
            _do(*ip, "link", "add", port, "type", "veth", *peer)
            _do(*ip, "link", "set", port, "master", "switch", "up")
            _do("ip", "-n", name, "link", "set", "lo", "up")
            _do("ip", "-n", name, "link", "set", "eth0", "up")
            yield Card(self, name)
        finally:
            _do(*ip, "link", "delete", port)
            _do("ip", "netns", "delete", name)

    def end(self) -> int:
        """The daemon's exit status after SIGTERM."""
        self.process.terminate()
        return self.process.wait(300)


def start(state: Path) -> World:
    """A namespace and a daemon in it, ready."""
    world = begin(state, awaited="the world is ready")
    assert (state / "world.json").exists(), "".join(world.log)
    return world


def begin(state: Path, *, awaited: str) -> World:
    """A namespace and a daemon in it, which has just logged these words."""
    state.mkdir(exist_ok=True)
    network.up(namespace(state))
    there = ["nsenter", f"--net=/run/netns/{namespace(state)}", sys.executable, "-m"]
    process = subprocess.Popen(
        [*there, "tests.runtime.world_daemon", str(state), str(toolchain.locations().pebble)],
        cwd=REPO,
        stderr=subprocess.PIPE,
        text=True,
    )
    log: list[str] = []
    reached = threading.Event()
    threading.Thread(target=_read, args=(process, log, awaited, reached), daemon=True).start()
    assert reached.wait(_START_SECONDS), "".join(log)
    return World(state, process, log)


def clear(state: Path) -> None:
    """Takes away what a world left, also one that a test failed with."""
    for process in processes(state):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    network.down(namespace(state))


def processes(state: Path) -> dict[int, str]:
    """The command lines that name a world's folder, by process."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if f"{state}/" in command or f"{state} " in command:
                found[int(path.parent.name)] = command
    return found


def _read(
    process: subprocess.Popen[str], log: list[str], awaited: str, reached: threading.Event
) -> None:
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            log.append(line)
            if awaited in line:
                reached.set()
    reached.set()


def _do(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
