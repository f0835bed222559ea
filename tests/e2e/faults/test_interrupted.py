"""Ctrl-C: whoever interrupts `pulumi up` leaves work behind that the next one takes up."""

from __future__ import annotations

import pytest

from tests.e2e import machine
from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import FIRST_SSH_ONLY, Host

CTRL_C = "Ctrl-C"
TWICE = "Ctrl-C twice"


@fault(CTRL_C, "in build", "the run ends when the change is made, with its acknowledgement")
def test_once_while_the_host_works(host: Host) -> None:
    before = host.system()
    pause = host.pause("build")
    with host.running() as process:
        pause.reached()
        machine.interrupt(process)
        pause.over()
        said, _ = process.communicate()
    assert process.returncode != 0, said
    assert host.system() != before


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(
            step,
            marks=fault(
                TWICE,
                f"in {when}",
                "the host goes on; the next `up` takes the work up and ends it",
            ),
        )
        for step, when in (("build", "build"), ("activate", "activation"), ("health", "health"))
    ],
)
def test_twice_while_the_host_works(host: Host, step: str) -> None:
    before = host.system()
    pause = host.pause(step)
    with host.running() as process:
        pause.reached()
        machine.interrupt(process, times=2)
        said, _ = process.communicate()
    assert process.returncode != 0, said
    with host.running() as process:
        machine.until_said(process, f"converge: {step}")
        pause.over()
        said, _ = process.communicate()
    assert process.returncode == 0, said
    assert host.system() != before


@fault(
    CTRL_C,
    "while the host waits for the acknowledgement",
    "the next `up` in time acknowledges",
)
def test_while_the_host_waits(host: Host) -> None:
    host.change()
    with host.world.rules(FIRST_SSH_ONLY), host.running() as process:
        machine.until_said(process, "converge: waiting: ")
        machine.interrupt(process)
        said, _ = process.communicate()
    assert process.returncode != 0, said
    assert "converge: acknowledged" in host.up()
