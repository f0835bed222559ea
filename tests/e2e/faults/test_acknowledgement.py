"""The acknowledgement: lost, late, or given twice."""

from __future__ import annotations

import os
import signal

from tests.e2e import machine
from tests.e2e.faults.by_hand import Change
from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import FIRST_SSH_ONLY, Host


@fault(
    "the acknowledgement is lost: the run is killed",
    "while the host waits for it",
    "the host goes back; after `pulumi cancel` an `up` is told so, and the one after it makes the change",
)
def test_lost(host: Host) -> None:
    before = host.system()
    host.change()
    host.short_trials()
    with host.world.rules(FIRST_SSH_ONLY), host.running() as process:
        machine.until_said(process, "converge: waiting: ")
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    host.until_failed()
    assert host.system() == before
    assert host.stack.pulumi("cancel", "--yes", host.stack.name).returncode == 0
    host.up_fails("no second connection came within 10 s")


@fault(
    "the acknowledgement is late",
    "when the host has gone back",
    "the late connection is told so, and `up` fails; the next one makes the change",
)
def test_late(host: Host) -> None:
    before = host.system()
    host.change()
    host.short_trials()
    with host.world.rules(FIRST_SSH_ONLY) as instead, host.running() as process:
        machine.until_said(process, "converge: waiting: ")
        host.until_failed()
        instead()
        said, _ = process.communicate()
    assert process.returncode != 0, said
    assert "no second connection came within 10 s" in said
    assert host.system() == before


@fault(
    "the acknowledgement comes twice",
    "at the same moment",
    "both connections see the change through; the next `up` finds it made",
)
def test_twice(host: Host) -> None:
    before = host.system()
    pause = host.pause("default")
    change = Change.planned(host.stack)
    with change.submitted() as first:
        first.communicate()
        assert first.returncode == 75
    with change.submitted() as second, change.submitted() as third:
        for session in (second, third):
            machine.until_said(session, "converge: default")
        pause.over()
        for session in (second, third):
            said, _ = session.communicate()
            assert session.returncode == 0, said
            assert "converge: done: " in said
    assert host.system() != before
