"""The way back of Plex's library: onto a new server before Plex first starts, or in another one's place.

The units are the configuration's own. Only waits are shorter, and rclone is told the stand-in's address.
"""

from __future__ import annotations

import json

import pytest

from tests.runtime.library.server import (
    DATABASE,
    HOME,
    NOWHERE,
    START_EMPTY,
    STATE,
    Library,
    hand_over,
)

# The first start.


def test_a_first_server_begins_a_library(new: Library) -> None:
    assert new.start_plex(), new.host.journal("plex-library")

    new.host.await_port("127.0.0.1", 32400)
    assert "prod/config" in new.bucket.names()
    assert new.snapshots() == []
    assert new.ok("warnings") == ""
    assert new.ok("list") == "There are no backups at films-and-music-library/prod yet.\n"


def test_a_library_that_is_here_asks_nobody(library: Library) -> None:
    library.end()
    before = library.bucket.door.requests

    assert library.start_plex()
    assert library.bucket.door.requests == before
    assert library.watched() == "1"


@pytest.mark.heavy
def test_a_repository_whose_making_was_cut_short_is_made_again(new: Library) -> None:
    new.start_plex()
    new.new_server()
    new.bucket.delete(keep=lambda name: "/keys/" in name)

    assert new.start_plex(), new.host.journal("plex-library")
    assert "prod/config" in new.bucket.names()
    new.host.await_port("127.0.0.1", 32400)
    new.fill()
    new.backup()


@pytest.mark.heavy
def test_an_earlier_life_that_made_no_backup_is_in_nobodys_way(new: Library) -> None:
    new.start_plex()
    new.new_server()
    hand_over(new.host, password="another")

    assert new.start_plex(), new.host.journal("plex-library")
    new.host.await_port("127.0.0.1", 32400)
    new.fill()
    new.backup()


# Damage.


def test_damage_is_found_and_no_library_is_replaced_by_it(library: Library) -> None:
    library.backup()
    library.ok("check")
    assert json.loads(library.read(f"{STATE}/check.json"))["ok"] is True
    library.bucket.damage("/data/")
    library.host.ok("rm", "-rf", "/var/cache/library")

    assert library.run("restore").returncode == 1
    assert library.plex_runs()
    assert library.watched() == "1"

    assert library.run("check").returncode == 1
    assert json.loads(library.read(f"{STATE}/check.json"))["ok"] is False
    assert "the check of the backups failed at " in library.ok("warnings")


def test_a_new_server_does_not_start_with_half_of_a_damaged_backup(library: Library) -> None:
    library.backup()
    library.bucket.damage("/data/")
    library.new_server()

    assert not library.start_plex()
    assert library.state() == ("failed", "failed")
    assert "answers, but cannot be used: " in library.said()
    assert library.said().endswith(START_EMPTY)
    assert not library.exists(HOME)


# The way back.


@pytest.mark.heavy
def test_a_chosen_backup_and_what_was_there_before_it(library: Library) -> None:
    first = library.backup()
    library.watch(2)
    library.backup()
    library.watch(3)

    library.ok("restore", first)
    assert library.watched() == "1"
    assert library.plex_runs()
    (kept,) = (library.host.root / "var/lib/plex/.replaced").iterdir()
    database = DATABASE.replace(HOME, f"/var/lib/plex/.replaced/{kept.name}")
    assert library.host.ok("sqlite3", database, "SELECT max(film) FROM views") == "3\n"

    library.ok("restore")
    assert library.watched() == "1 2"
    assert len(list((library.host.root / "var/lib/plex/.replaced").iterdir())) == 2

    library.backup()
    assert not library.exists("/var/lib/plex/.replaced")


@pytest.mark.heavy
def test_a_backup_that_does_not_exist_changes_nothing(library: Library) -> None:
    library.backup()

    done = library.run("restore", "0123abcd")
    assert done.returncode == 1
    assert "there is no backup 0123abcd at films-and-music-library/prod" in done.stdout
    assert library.plex_runs()
    assert library.watched() == "1"


def test_what_a_backup_says_of_itself_is_no_command_of_roots(library: Library) -> None:
    """Of a host that was broken into, the backups come back on another one."""
    made = library.backup()
    library.restic("tag", "--add", f"size=PATH[$(touch {STATE}/owned)]", made)

    library.run("restore")

    assert not library.exists(f"{STATE}/owned")
    assert library.watched() == "1"


def test_who_owns_plex_leads_a_restore_nowhere(library: Library) -> None:
    """Plex runs meanwhile, and what was restored would be root's notes of the library."""
    library.backup()
    library.watch(2)
    library.host.ok("sh", "-c", f"rm -rf /var/cache/library; echo >{STATE}/chosen")
    with library.bucket.door.holding("download", "index/"):
        library.host.ok("systemctl", "start", "--no-block", "plex-library-restore")
        assert library.bucket.door.waiting.wait(120)
        theirs = "; ".join(
            f"ln -sfn $0 /var/lib/plex/.{name}" for name in ("restoring", "restored", "replaced")
        )
        library.host.ok("runuser", "-u", "plex", "--", "sh", "-c", theirs, STATE)
    library.await_that(lambda: library.state("plex-library-restore")[0] in ("inactive", "failed"))

    assert not library.exists(f"{STATE}/.restoring")
    assert not library.exists(f"{STATE}/Metadata")
    assert not list((library.host.root / STATE.lstrip("/")).glob("2*Z"))
    assert library.watched() == "1"


@pytest.mark.heavy
def test_a_link_in_a_backup_leads_a_restore_nowhere(library: Library) -> None:
    aside = f"mv '{HOME}/Plug-in Support' '{HOME}/aside'; ln -s {STATE} '{HOME}/Plug-in Support'"
    library.host.ok("runuser", "-u", "plex", "--", "sh", "-c", f"{aside}")
    library.host.ok("sh", "-c", f"cp -r '{HOME}/aside/Databases' {STATE}/Databases")
    library.backup()
    library.host.ok("rm", "-r", f"{STATE}/Databases")

    library.run("restore")

    assert not library.exists(f"{STATE}/Databases")


@pytest.mark.heavy
def test_a_restore_that_is_killed_begins_again(library: Library) -> None:
    library.backup()
    poster = library.bucket.largest()
    library.new_server()
    with library.bucket.door.holding("download", poster):
        library.host.ok("systemctl", "start", "--no-block", "plex")
        assert library.bucket.door.waiting.wait(120)
        assert library.state()[0] == "activating"
        assert library.exists("/var/lib/.restoring")
        library.host.ok("systemctl", "kill", "--signal=KILL", "plex-library")
        library.await_that(lambda: library.restarts() == 1)
        assert not library.exists(HOME)
        assert not library.plex_runs()
    library.await_state("active")

    library.await_that(library.plex_runs)
    assert library.watched() == "1"
    assert not library.exists("/var/lib/.restoring")


def test_a_library_that_has_arrived_is_put_in_place_by_the_next_start(library: Library) -> None:
    library.end()
    library.host.ok("mv", HOME, "/var/lib/.restored")
    hand_over(library.host, port=NOWHERE)

    assert library.start_plex()
    assert library.watched() == "1"


def test_while_the_repository_cannot_be_reached_plex_waits(library: Library) -> None:
    library.backup()
    library.new_server()
    hand_over(library.host, port=NOWHERE)

    assert not library.start_plex()
    library.await_that(lambda: library.state() == ("activating", "auto-restart"))
    assert "Backblaze does not answer: " in library.said()
    assert library.said().endswith(START_EMPTY)
    assert not library.exists(HOME)

    hand_over(library.host)
    library.await_that(library.plex_runs)
    assert library.watched() == "1"


@pytest.mark.heavy
def test_a_new_library_on_purpose(library: Library) -> None:
    library.backup()
    library.new_server()
    hand_over(library.host, port=NOWHERE)
    assert not library.start_plex()

    library.ok("start-empty")
    library.await_that(library.plex_runs)
    library.host.await_port("127.0.0.1", 32400)
    assert library.sql("SELECT count(*) FROM sqlite_schema WHERE name = 'views'") == "0"

    refused = library.run("start-empty")
    assert refused.returncode == 78
    assert refused.stderr.startswith("plex-library: there is a library already")


@pytest.mark.heavy
def test_a_disk_that_is_too_small_is_told_before(library: Library) -> None:
    library.backup()
    library.new_server()
    library.host.ok("mkdir", "/var/lib/plex")
    library.host.ok("mount", "-t", "tmpfs", "-o", "size=50M", "small", "/var/lib/plex")
    try:
        assert not library.start_plex()
        assert "MB are free" in library.said()
        assert library.state() == ("failed", "failed")
    finally:
        library.end()
        library.host.ok("umount", "/var/lib/plex")
