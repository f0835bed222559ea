"""One server's unlucky installation: whatever cuts it short, the next `pulumi up` goes on from there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from sandbox import prepare
from tests.e2e import machine
from tests.e2e.machine import boots, cut_power, cut_sessions, until_booted, until_said
from tests.e2e.stack import Stack
from tests.e2e.world import World

pytestmark = pytest.mark.heavy

Another = Callable[[str], Stack]

_UP = ("up", "--yes", "--skip-preview")
_NO_SSH = "tcp dport 22 drop"
_NO_DOWNLOADS = "tcp sport 443 drop"
# The one by which Ubuntu becomes the installer.
_FIRST_SSH_ONLY = (
    "tcp dport 22 tcp flags & (syn | ack) == syn limit rate over 1/hour burst 1 packets drop"
)


@pytest.fixture
def unlucky(another: Another) -> Stack:
    return another("unlucky")


def until_installed(stack: Stack) -> None:
    """Wait until the work in the installer is done, whoever knows of it."""
    machine.until(stack, "grep -q ': done:' /run/install/log")


@contextmanager
def wrong_installer(world: World) -> Iterator[None]:
    """Let GitHub have another file than the pinned one at the installer's address."""
    pins = json.loads((world.state / "pins.json").read_text())
    url = pins["installer"]["x86_64"]["url"]
    right = (world.state / "internet" / url.removeprefix("https://")).read_bytes()
    prepare.publish(world.state, url, b"not what was pinned")
    try:
        yield
    finally:
        prepare.publish(world.state, url, right)


def test_an_installer_other_than_the_pinned_one_is_refused_and_named(
    world: World, unlucky: Stack
) -> None:
    with wrong_installer(world):
        done = unlucky.pulumi(*_UP)
    assert done.returncode != 0
    assert "installer.tar.gz: FAILED" in done.stdout
    assert "attempt 3 failed" in done.stdout
    assert "this server is still Hetzner's Ubuntu" in done.stdout
    assert "run `pulumi up` again" in done.stdout
    assert boots(unlucky) == ["ubuntu"]


def test_the_next_runs_finish_it_whatever_cuts_them_short(world: World, unlucky: Stack) -> None:
    server = unlucky.server()
    with ExitStack() as running:
        instead = running.enter_context(world.rules(_FIRST_SSH_ONLY))
        process = running.enter_context(unlucky.running(*_UP))
        until_said(process, "the server tries again")
        instead(_NO_SSH)
        until_booted(unlucky, "ubuntu", "installer")
        # Nothing was written to the disk: it is Ubuntu that boots again, and jumps again.
        cut_power(unlucky)
        until_booted(unlucky, "ubuntu", "installer", "ubuntu", "installer")

        instead(_NO_DOWNLOADS)
        # The installer waits for nixpkgs. The same run takes up the session that was lost …
        until_said(process, "install: nixpkgs")
        assert cut_sessions(unlucky)
        until_said(process, "install: nixpkgs")
        machine.interrupt(process, times=2)
        said, _ = process.communicate()
        assert process.returncode != 0, said
        # … and the next one the work of the one that was interrupted.
        process = running.enter_context(unlucky.running(*_UP))
        said = until_said(process, "install: nixpkgs")
        assert said.count("install: partitions") == 1

        # NixOS is on the disk, and before anybody has heard of it, the power fails.
        instead(_NO_SSH)
        assert cut_sessions(unlucky)
        until_installed(unlucky)
        cut_power(unlucky)
        until_booted(unlucky, "ubuntu", "installer", "ubuntu", "installer", "installed")
        instead()
        said, _ = process.communicate()
        assert process.returncode == 0, said

    assert "runs already; an earlier run was not told" in said
    assert len(boots(unlucky)) == 5
    assert unlucky.server()["id"] == server["id"]
    assert unlucky.ssh("sudo ls /var/lib/host").split() == ["stack"]
    key = unlucky.outputs()["knownHosts"].split()[-1]
    assert key in unlucky.ssh("cat /etc/ssh/ssh_host_ed25519_key.pub")
