"""Plex's databases, which move one way: a change that goes wrong gets every row back."""

from __future__ import annotations

import pytest

from tests.e2e import machine
from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import NO_SSH, SILENCE, Host

KNOB = "/var/lib/plex/Plex Media Server/migration"

STATUS = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:32400/identity"


def migrations(host: Host, word: str) -> None:
    """What becomes of a migration when it is half-way: it `waits`, `fails` or `crashes`."""
    host.shell('echo "$2" >"$1"', KNOB, word)


def through(host: Host) -> None:
    """Migrations succeed."""
    host.shell('rm -f "$1"', KNOB)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(
            word,
            marks=fault(
                f"a migration of Plex's database that {word} half-way",
                "when a newer Plex starts, in health",
                "the older Plex runs again, with every row; the next `up` makes the change",
            ),
        )
        for word in ("fails", "crashes")
    ],
)
def test_a_migration_that_does_not_succeed(host: Host, word: str) -> None:
    before = host.system()
    migrations(host, word)
    host.newer_plex()
    host.shorter('await 90 "plex is active"')
    host.shorter(SILENCE)
    host.up_fails("failed: health: ", "Plex's databases are those from before the change")
    through(host)
    assert host.system() == before
    assert host.rows() == host.films
    host.project.reset()


@fault(
    "a migration that takes longer than it may",
    "in health",
    "it is waited for while Plex says 503, and then given up: the older Plex has every row",
)
def test_a_migration_without_end(host: Host) -> None:
    before = host.system()
    migrations(host, "waits")
    host.newer_plex()
    host.shorter('await 600 "Plex answers"')
    host.up_fails("failed: health: Plex answers: /identity says: The database is being migrated.")
    through(host)
    assert host.system() == before
    assert host.rows() == host.films
    host.project.reset()


@fault(
    "the power is cut",
    "in the middle of a migration",
    "the older Plex boots, with every row; the same run migrates them again",
)
def test_power_in_a_migration(host: Host) -> None:
    before, boots = host.system(), machine.boots(host.stack)
    migrations(host, "waits")
    host.newer_plex()
    with host.running() as process:
        host.until(f"{STATUS} | grep -qx 503")
        with host.world.rules(NO_SSH):
            machine.cut_power(host.stack)
            host.until_rebooted(boots)
            assert host.system() == before
            assert host.rows() == host.films
            through(host)
            machine.cut_sessions(host.stack)
        said, _ = process.communicate()
    assert process.returncode == 0, said


@fault(
    "an older Plex than the host's",
    "with the change",
    "it cannot work with the database, and the host goes back to the one that can",
)
def test_an_older_plex(host: Host) -> None:
    host.newer_plex()
    host.up()
    before = host.system()
    host.older_plex()
    host.shorter('await 90 "plex is active"')
    host.shorter(SILENCE)
    host.up_fails("the database has the schema of version 1.", "failed: health: ")
    assert host.system() == before
    assert host.rows() == host.films
    host.project.reset()
