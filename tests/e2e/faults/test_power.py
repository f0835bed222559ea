"""Power that fails: the host boots what it ran before, until the new generation has become the default."""

from __future__ import annotations

import pytest

from tests.e2e import machine
from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import FIRST_SSH_ONLY, NO_SSH, Host

POWER = "the power is cut"


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(
            step,
            marks=fault(
                POWER, when, "the old generation boots; the same run makes the change again"
            ),
        )
        for step, when in (
            ("build", "in build"),
            ("database", "while Plex's databases are copied"),
            ("activate", "in activation"),
            ("health", "in health"),
        )
    ],
)
def test_before_it_is_acknowledged(host: Host, step: str) -> None:
    before, boots = host.system(), machine.boots(host.stack)
    if step == "database":
        host.newer_plex()
    pause = host.pause(step)
    with host.running() as process:
        pause.reached()
        with host.world.rules(NO_SSH):
            machine.cut_power(host.stack)
            host.until_rebooted(boots)
            assert host.system() == before
            assert host.rows() == host.films
            # The next change replaces it.
            assert not host.left(besides="/etc/nixos.next")
            machine.cut_sessions(host.stack)
        said, _ = process.communicate()
    assert process.returncode == 0, said
    assert host.system() != before


@fault(
    POWER,
    "while it waits for the acknowledgement",
    "the old generation boots; the same run makes the change again",
)
def test_before_the_acknowledgement(host: Host) -> None:
    before, boots = host.system(), machine.boots(host.stack)
    host.change()
    with host.world.rules(FIRST_SSH_ONLY) as instead, host.running() as process:
        machine.until_said(process, "converge: waiting: ")
        machine.cut_power(host.stack)
        host.until_rebooted(boots)
        assert host.system() == before
        assert "the host went down while a change was on trial" in host.status("message")
        instead()
        said, _ = process.communicate()
    assert process.returncode == 0, said


@fault(
    POWER,
    "between the profile and the boot menu, in default",
    "the old generation boots, and is the profile's again; the same run makes the change again",
)
def test_before_it_is_the_default(host: Host) -> None:
    before, boots = host.system(), machine.boots(host.stack)
    pause = host.pause("default")
    with host.running() as process:
        pause.reached()
        with host.world.rules(NO_SSH):
            assert host.profile() != before
            machine.cut_power(host.stack)
            host.until_rebooted(boots)
            assert host.system() == before
            assert host.profile() == before
            assert not host.left()
            machine.cut_sessions(host.stack)
        said, _ = process.communicate()
    assert process.returncode == 0, said


@fault(
    POWER,
    "in accept, when the new generation is the default",
    "the new generation boots and is accepted; the same run ends well",
)
def test_before_it_is_accepted(host: Host) -> None:
    before, boots = host.system(), machine.boots(host.stack)
    pause = host.pause("accept")
    with host.running() as process:
        pause.reached()
        with host.world.rules(NO_SSH):
            new = host.system()
            machine.cut_power(host.stack)
            host.until_rebooted(boots)
            assert host.system() == new != before
            assert host.status("state") == "converged"
            assert not host.left()
            machine.cut_sessions(host.stack)
        said, _ = process.communicate()
    assert process.returncode == 0, said
