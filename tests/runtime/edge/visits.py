"""A host with the configuration's own nginx, and somebody elsewhere who visits it."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tests import stack
from tests.runtime.lone_host import Host, host

DOMAIN = stack.settings_of().domain
SERVER = "203.0.113.11"
SERVER_6 = "2001:db8:1::1"
VISITOR = "203.0.113.77"
VISITOR_6 = "2001:db8:7::7"
ADDRESSES = (f"{SERVER}/32", f"{VISITOR}/32", f"{SERVER_6}/128", f"{VISITOR_6}/128")
WAYS = {"IPv4": (VISITOR, SERVER), "IPv6": (VISITOR_6, f"[{SERVER_6}]")}
SECURITY = {
    "strict-transport-security": ["max-age=31536000; includeSubDomains; preload"],
    "referrer-policy": ["origin-when-cross-origin"],
    "x-frame-options": ["DENY"],
    "x-content-type-options": ["nosniff"],
    "x-xss-protection": ["1; mode=block"],
}
_OPEN = "run/plex-gate/open"


@dataclass(frozen=True)
class Answer:
    """A response; the headers' names are in lower case."""

    status: int
    version: str
    headers: dict[str, list[str]]
    body: str

    def told(self) -> dict[str, list[str]]:
        """The headers that reached what stands behind, by name, with - for _."""
        found: dict[str, list[str]] = {}
        for name, value in json.loads(self.body):
            found.setdefault(name.replace("_", "-"), []).append(value)
        return found


class Visitor:
    """Somebody elsewhere, with curl."""

    def __init__(self, host: Host, address: str, server: str) -> None:
        self.host = host
        self.address = address
        self.server = server
        self._to = ["--interface", address, "--resolve", f"*:443:{server}"]
        self._to += ["--resolve", f"*:80:{server}", "--insecure", "--path-as-is"]

    def command(self, *arguments: str, path: str, name: str, scheme: str) -> list[str]:
        curl = ["curl", "-sS", *self._to, *arguments, f"{scheme}://{name}{path}"]
        return ["nsenter", f"--target={self.host.pid}", "--net", *curl]

    def run(
        self, path: str, *arguments: str, name: str = DOMAIN, scheme: str = "https"
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, path=path, name=name, scheme=scheme),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def ask(self, path: str, *arguments: str, scheme: str = "https") -> Answer:
        ending = '\n%{stderr}{"status":%{http_code},"version":"%{http_version}","headers":%{header_json}}'
        done = self.run(path, "-w", ending, *arguments, scheme=scheme)
        assert done.returncode == 0, done.stderr
        return Answer(**json.loads(done.stderr), body=done.stdout[:-1])


@contextmanager
def nginx(folder: Path, **overrides: object) -> Iterator[Host]:
    """A host that serves the configuration's site, with a certificate of the test's own.

    Args:
        folder: an empty one.
        overrides: of its settings.
    """
    with host(folder, ADDRESSES) as running:
        certificate(running, folder)
        built = running.build({"nginx": 'config.systemd.units."nginx.service".text'}, **overrides)
        running.unit("nginx.service", built["nginx"])
        running.ok("systemctl", "start", "nginx.service")
        running.await_port(SERVER, 443)
        yield running


def certificate(on: Host, folder: Path) -> None:
    """As ACME leaves it, but our own."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", *key, "-subj", f"/CN={DOMAIN}", "-out", "chain.pem"],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    for name, source in {"key": "key", "chain": "chain", "fullchain": "chain"}.items():
        text = (folder / f"{source}.pem").read_text()
        on.write(f"/var/lib/acme/{DOMAIN}/{name}.pem", text, 0o640)
    on.ok("chgrp", "-R", "nginx", "/var/lib/acme")


def put(on: Host, state: str) -> None:
    """What the gate does."""
    if state == "open":
        on.write(_OPEN, "")
    else:
        (on.root / _OPEN).unlink(missing_ok=True)


def security(answer: Answer) -> dict[str, list[str]]:
    return {name: answer.headers.get(name, []) for name in SECURITY}


@contextmanager
def connected(
    on: Host, source: str = VISITOR, server: str = SERVER
) -> Iterator[tuple[ssl.SSLSocket, BinaryIO]]:
    """A connection for one's own words in HTTP/1.1, and what comes back."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        on.connect(server, 443, source) as plain,
        context.wrap_socket(plain, server_hostname=DOMAIN) as tls,
        tls.makefile("rb") as answers,
    ):
        yield tls, answers


@contextmanager
def asking(on: Host, path: str, *headers: str) -> Iterator[tuple[ssl.SSLSocket, BinaryIO]]:
    """A request on a socket of its own, and the answer, of which nothing has been read."""
    with connected(on) as (tls, answers):
        lines = [f"GET {path} HTTP/1.1", f"Host: {DOMAIN}", *headers, "", ""]
        tls.sendall("\r\n".join(lines).encode())
        yield tls, answers


def said(on: Host, request: bytes, source: str = VISITOR) -> Answer:
    """What comes back for one's own words, which nginx may not take for a request at all."""
    with connected(on, source) as (tls, answers):
        tls.sendall(request)
        return read(answers)


def read(answers: BinaryIO) -> Answer:
    """The next answer."""
    version, status, *_ = answers.readline().decode().split(" ", 2)
    headers: dict[str, list[str]] = {}
    while line := answers.readline().decode().rstrip("\r\n"):
        name, value = line.split(": ", 1)
        headers.setdefault(name.lower(), []).append(value)
    length = int(headers.get("content-length", ["0"])[0])
    body = answers.read(length).decode()
    return Answer(int(status), version.removeprefix("HTTP/"), headers, body)


def await_that(what: Callable[[], bool]) -> None:
    """Wait for something that somebody else does in a moment."""
    for _ in range(300):
        if what():
            return
        threading.Event().wait(0.1)
    raise AssertionError("it did not come to be in 30 s")


def await_new_workers(on: Host) -> None:
    """Wait until those of before a reload have ended: for a moment they answer beside the new ones."""
    children = "cat /proc/$(systemctl show -P MainPID nginx)/task/*/children"
    await_that(lambda: len(on.ok("sh", "-c", children).split()) == os.cpu_count())
