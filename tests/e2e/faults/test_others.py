"""Somebody else is at work: on the host, or with the same stack."""

from __future__ import annotations

import shutil
from dataclasses import replace

from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import Host
from tests.runtime.locks import HOLD

UNIT = "nixos-rebuild-switch-to-configuration"
# What it says goes to /run/held. It ends when its input does.
_SOMEBODY = """
systemd-run --quiet --unit=holds --uid=nginx --property=StandardOutput=truncate:/run/held \\
  sh -c 'sleep infinity | /usr/bin/python3 -c "$1" /run /etc /nix/store/*-media-scripts' sh "$1"
"""


@fault(
    "a `nixos-rebuild` is at work on the host",
    "when the change comes",
    "`up` is refused and says who works there since when; the next one makes the change",
)
def test_the_lock_is_held(host: Host) -> None:
    before = host.system()
    host.change()
    host.shell(f"rm -f /run/converge.who; systemd-run --unit={UNIT} sleep infinity")
    host.up_fails("another change is being made on this host, by nixos-rebuild, since ")
    assert host.system() == before
    host.shell(f"systemctl stop {UNIT}")


@fault(
    "a service's user holds the lock of each file that it can open",
    "when the change comes, and the locks of the one before are there",
    "it has no lock of root's: the change is made, and the mount refreshed",
)
def test_locks_are_held(host: Host) -> None:
    host.change()
    host.up()
    before = host.system()
    host.shell(_SOMEBODY, HOLD)
    host.until("[ -s /run/held ]")
    host.change()
    host.up()
    assert host.system() != before
    host.shell("timeout 60 systemctl start media-refresh")
    host.shell("systemctl stop holds; rm /run/held")


@fault(
    "the host belongs to another stack",
    "when the change comes",
    "`up` is refused and names both; the host is as it was",
)
def test_the_wrong_host(host: Host) -> None:
    before, name = host.system(), host.stack.name
    host.change()
    host.shell("echo another >/var/lib/host/stack")
    host.up_fails(f"this host belongs to the stack another, not to {name}", "the host is as it was")
    assert host.system() == before
    host.shell(f"echo {name} >/var/lib/host/stack")


@fault(
    "a second `pulumi up` of the same stack",
    "while the first one's change is being built",
    "Pulumi's lock answers it; the first one makes its change",
)
def test_two_runs_of_one_state(host: Host) -> None:
    pause = host.pause("build")
    with host.running() as process:
        pause.reached()
        host.up_fails("the stack is currently locked by 1 lock")
        pause.over()
        said, _ = process.communicate()
    assert process.returncode == 0, said


@fault(
    "a second `pulumi up`, of a copy of the state",
    "while the first one's change is being built",
    "the host refuses it and says who is at work; the first one makes its change",
)
def test_two_runs_of_two_states(host: Host) -> None:
    state = host.world.state
    shutil.copytree(state / "pulumi-state", state / "another-state")
    another = replace(host.stack, backend=state / "another-state")
    pause = host.pause("build")
    with host.running() as process:
        pause.reached()
        host.change()
        refused = another.pulumi("up", "--yes", "--skip-preview")
        assert refused.returncode != 0
        assert "on this host, by `pulumi up` from " in refused.stdout, refused.stdout
        pause.over()
        said, _ = process.communicate()
    assert process.returncode == 0, said
    shutil.rmtree(state / "another-state")
