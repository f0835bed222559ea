"""Visiting the host as people do: the closed page, the claim through the tunnel, a media file by HTTPS."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox import commands, inside, keys
from sandbox.errors import SandboxError
from sandbox.paths import STATE

CLAIM = "claim-sandbox0sandbox0sand"
_PATIENCE = 300.0  # seconds


def fetch(url: str, *options: str, state: Path = STATE) -> bytes:
    """What curl gets from an address, whose certificate has to be good; an answer of 503 too.

    Raises:
        SandboxError: no answer.
    """
    done = commands.run(
        inside.command(["curl", "-sS", "--max-time", "60", *options, url], state),
        environment=inside.environment(state),
        seconds=120,
    )
    if done.returncode != 0:
        raise SandboxError(f"{url}: {done.stderr.decode().strip()}")
    return done.stdout


def status(url: str, *, state: Path = STATE) -> int:
    """The HTTP status of an address."""
    return int(fetch(url, "-o", "/dev/null", "-w", "%{http_code}", state=state))


def wait_for_certificate(url: str, *, state: Path = STATE) -> None:
    """Wait until the host has a certificate that is trusted; its first one is signed by itself.

    Raises:
        SandboxError: it has none in time; the message has curl's words.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fetch(url, state=state)
            return
        except SandboxError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def claimed(url: str, *, state: Path = STATE) -> bool:
    """Whether the host is open, which it is once its Plex is claimed."""
    return status(f"{url}/identity", state=state) == 200


@contextlib.contextmanager
def tunnel(outputs: dict[str, Any], *, state: Path = STATE) -> Iterator[None]:
    """The tunnel to Plex's first set-up, as the stack's outputs give it.

    Raises:
        SandboxError: ssh ended, or the tunnel did not open in time.
    """
    forwarding = outputs["tunnel"].split()[1:3]
    options = ["-N", "-o", "ExitOnForwardFailure=yes", *forwarding]
    command = keys.ssh_command(outputs, options=options, state=state)
    with subprocess.Popen(
        inside.command(command, state),
        env=inside.environment(state),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            deadline = time.monotonic() + _PATIENCE
            while not _answers(outputs["plexSetup"], state):
                if process.poll() is not None or time.monotonic() > deadline:
                    process.kill()
                    raise SandboxError(f"the tunnel does not open:\n{process.communicate()[1]}")
                time.sleep(0.2)
            yield
        finally:
            process.terminate()


def _answers(url: str, state: Path) -> bool:
    try:
        fetch(url, "-o", "/dev/null", state=state)
    except SandboxError:
        return False
    return True


def claim(outputs: dict[str, Any], *, state: Path = STATE) -> None:
    """Claim the host's Plex through the tunnel, and wait until nginx lets visitors in.

    Raises:
        SandboxError: Plex refused, or the host stayed closed.
    """
    with tunnel(outputs, state=state):
        fetch(f"http://127.0.0.1:32400/myplex/claim?token={CLAIM}", "-f", "-X", "POST", state=state)
    deadline = time.monotonic() + _PATIENCE
    while not claimed(outputs["url"], state=state):
        if time.monotonic() > deadline:
            raise SandboxError("Plex is claimed, but the host stays closed")
        time.sleep(0.5)


def _token(outputs: dict[str, Any], state: Path) -> str:
    """The owner's token, which a real one has from plex.tv; here it is read on the host."""
    preferences = "/var/lib/plex/Plex\\ Media\\ Server/Preferences.xml"
    command = keys.ssh_command(outputs, f"sudo cat {preferences}", state=state)
    done = commands.run(
        inside.command(command, state), environment=inside.environment(state), seconds=120
    )
    if done.returncode != 0:
        said = done.stderr.decode()
        raise SandboxError(f"the host's administrator cannot read Plex's settings:\n{said}")
    return ElementTree.fromstring(done.stdout).attrib["PlexOnlineToken"]  # noqa: S314


def media(outputs: dict[str, Any], *, state: Path = STATE) -> dict[str, str]:
    """Every media file as Plex hands it out by HTTPS: its SHA-256, by its path below the library."""
    token = _token(outputs, state)
    header = f"X-Plex-Token: {token}"
    listing = fetch(f"{outputs['url']}/library/all", "-f", "-H", header, state=state)
    sums = {}
    for part in ElementTree.fromstring(listing).iter("Part"):  # noqa: S314 - our own stand-in's
        data = fetch(f"{outputs['url']}{part.attrib['key']}", "-f", "-H", header, state=state)
        sums[part.attrib["file"].removeprefix("/mnt/media/")] = hashlib.sha256(data).hexdigest()
    return sums
