"""What happens to the supervisor itself."""

from __future__ import annotations

import pytest

from tests.e2e import machine
from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import Host

UNIT = "nixos-rebuild-switch-to-configuration"


@fault(
    "the supervisor is killed",
    "while it activates",
    "`up` fails; the guard reboots into the old generation, and the next `up` makes the change",
)
@pytest.mark.quick
def test_the_supervisor_is_killed(host: Host) -> None:
    before, boots = host.system(), machine.boots(host.stack)
    pause = host.pause("activate")
    with host.running() as process:
        pause.reached()
        # The guard looks every 15 s. Here it waits for the session, which has to notice on its own.
        host.shell(
            "sed -i '1a until [ -e /run/noticed ]; do sleep 0.1; done' /run/converge/guard.sh;"
            " systemctl stop converge-guard.service || :;"
            f" systemctl kill --signal=KILL {UNIT}"
        )
        said, _ = process.communicate()
    assert process.returncode != 0, said
    assert "the supervisor ended without a word" in said
    host.shell(": >/run/noticed")
    host.until_rebooted(boots)
    assert host.system() == before
