"""Connections that break: the work on the host goes on without them, or goes back."""

from __future__ import annotations

from tests.e2e import machine
from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import NO_SSH, Host


@fault(
    "the SSH connection is cut",
    "in build, in activation and in health, one after the other",
    "each time the same run takes the work up over a new connection; the change is made",
)
def test_connections_that_are_cut(host: Host) -> None:
    before = host.system()
    steps = ("build", "activate", "health")
    pauses = [host.pause(step) for step in steps]
    with host.running() as process:
        for step, pause in zip(steps, pauses, strict=True):
            machine.until_said(process, f"converge: {step}")
            pause.reached()
            assert machine.cut_sessions(host.stack)
            # What the new connection prints, from the beginning.
            machine.until_said(process, f"converge: {step}")
            pause.over()
        said, _ = process.communicate()
    assert process.returncode == 0, said
    assert host.system() != before


@fault(
    "the SSH connection is cut, and none gets through any more",
    "in activation",
    "the host goes back by itself; `up` gives up dialling and names the networks that may connect; the next"
    " one is told what became of the change, and the one after it makes it",
)
def test_a_connection_that_never_comes_back(host: Host) -> None:
    before = host.system()
    host.project.edit("components/nixos.py", "_DIAL_MINUTES = 5\n", "_DIAL_MINUTES = 0.4\n")
    host.short_trials()
    pause = host.pause("activate")
    with host.running() as process:
        pause.reached()
        with host.world.rules(NO_SSH):
            machine.cut_sessions(host.stack)
            pause.over()
            host.until_failed()
            said, _ = process.communicate()
    assert process.returncode != 0, said
    assert "no SSH connection within 0.4 minutes" in said
    assert "(sshNetworks: 0.0.0.0/0, ::/0)" in said
    assert host.system() == before
    host.up_fails("no second connection came within 10 s")
