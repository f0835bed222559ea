"""The way back of Plex's library: onto a new server before Plex first starts, or in another one's place.

The units are the configuration's own. Only waits are shorter, and rclone is told the stand-in's address.
"""

from __future__ import annotations

import json

import pytest

from tests.runtime.library.server import (
    DATABASE,
    HOME,
    PASSWORD,
    STATE,
    Library,
    configure,
    hand_over,
)
from tests.runtime.lone_host import skip_reason

pytestmark = pytest.mark.skipif(skip_reason() is not None, reason=skip_reason() or "")

NOWHERE = 9  # a port on which nobody listens
START_EMPTY = "`sudo plex-library start-empty` begins a new one on purpose"


def said(library: Library, unit: str = "plex-library") -> str:
    """The last that a unit has said itself."""
    lines = library.host.ok(
        *("journalctl", "-o", "cat", "--no-pager", "-t", "plex-library"),
        *("-u", f"{unit}.service", "-n", "1"),
    )
    return lines.strip()


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


def test_a_repository_whose_making_was_cut_short_is_made_again(new: Library) -> None:
    new.start_plex()
    new.new_server()
    new.bucket.delete(keep=lambda name: "/keys/" in name)

    assert new.start_plex(), new.host.journal("plex-library")
    assert "prod/config" in new.bucket.names()
    new.fill()
    new.backup()


def test_an_earlier_life_that_made_no_backup_is_in_nobodys_way(new: Library) -> None:
    new.start_plex()
    new.new_server()
    hand_over(new.host, password="another")

    assert new.start_plex(), new.host.journal("plex-library")
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
    assert "answers, but cannot be used: " in said(library)
    assert said(library).endswith(START_EMPTY)
    assert not library.exists(HOME)


# The way back.


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


def test_a_backup_that_does_not_exist_changes_nothing(library: Library) -> None:
    library.backup()

    done = library.run("restore", "0123abcd")
    assert done.returncode == 1
    assert "there is no backup 0123abcd at films-and-music-library/prod" in done.stdout
    assert library.plex_runs()
    assert library.watched() == "1"


def test_a_restore_that_is_killed_begins_again(library: Library) -> None:
    library.backup()
    poster = library.bucket.largest()
    library.new_server()
    with library.bucket.door.holding("download", poster):
        library.host.ok("systemctl", "start", "--no-block", "plex")
        assert library.bucket.door.waiting.wait(30)
        assert library.state()[0] == "activating"
        assert library.exists("/var/lib/plex/.restoring")
        library.host.ok("systemctl", "kill", "--signal=KILL", "plex-library")
        library.await_that(lambda: library.state() == ("activating", "auto-restart"))
        assert not library.exists(HOME)
        assert not library.plex_runs()
    library.await_state("active")

    library.await_that(library.plex_runs)
    assert library.watched() == "1"
    assert not library.exists("/var/lib/plex/.restoring")


def test_a_library_that_has_arrived_is_put_in_place_by_the_next_start(library: Library) -> None:
    library.end()
    library.host.ok("mv", HOME, "/var/lib/plex/.restored")
    hand_over(library.host, port=NOWHERE)

    assert library.start_plex()
    assert library.watched() == "1"


def test_while_the_repository_cannot_be_reached_plex_waits(library: Library) -> None:
    library.backup()
    library.new_server()
    hand_over(library.host, port=NOWHERE)

    assert not library.start_plex()
    library.await_that(lambda: library.state() == ("activating", "auto-restart"))
    assert "Backblaze does not answer: " in said(library)
    assert said(library).endswith(START_EMPTY)
    assert not library.exists(HOME)

    hand_over(library.host)
    library.await_that(library.plex_runs)
    assert library.watched() == "1"


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


def test_what_opens_nothing_begins_nothing(library: Library) -> None:
    library.backup()
    library.new_server()
    wrong_key = "K005" + "x" * 27
    for given, words in (
        ({"backupApplicationKey": wrong_key}, "Backblaze does not take the key"),
        ({"backupKeyId": "0005a1b2c3d4e5f000000000f"}, "Backblaze does not take the key"),
        ({"password": "another"}, "was made with another password than this stack's"),
    ):
        hand_over(library.host, **given)  # type: ignore[arg-type]  # the port is not among them

        assert not library.start_plex(), words
        assert library.state() == ("failed", "failed")
        assert words in said(library)
        assert said(library).endswith(START_EMPTY)
        assert not library.exists(HOME)

    hand_over(library.host)
    assert library.start_plex()
    assert library.watched() == "1"


def test_another_bucket_than_the_keys_is_told(library: Library) -> None:
    library.backup()
    library.new_server()
    configure(library.host, backupBucket="others-backups")
    try:
        assert not library.start_plex()
        assert library.state() == ("failed", "failed")
        assert "the key of the backups is not for the bucket others-backups" in said(library)
    finally:
        configure(library.host)


def test_what_is_no_repository_is_left_alone(new: Library) -> None:
    new.bucket.put("prod/holidays.jpg", b"a beach")

    assert not new.start_plex()
    assert new.state() == ("failed", "failed")
    assert "is not empty, but is no repository of backups" in said(new)
    assert new.bucket.names() == ["prod/holidays.jpg"]


def test_a_password_that_was_kept_opens_the_repository(library: Library) -> None:
    library.backup()
    library.new_server()
    hand_over(library.host, password="of the new stack")
    assert not library.start_plex()

    wrong = library.run("password", stdin="neither\n")
    assert wrong.returncode == 78
    assert wrong.stderr == "plex-library: that is not its password either\n"

    library.ok("password", stdin=f"{PASSWORD}\n")
    library.await_that(library.plex_runs)
    assert library.watched() == "1"


def test_a_backup_of_a_newer_nixpkgs_waits_for_it(library: Library) -> None:
    made = library.backup()
    newer = "nixos-26.05.12.abcdef012345"
    library.restic("tag", "--set", f"nixpkgs={newer},plex=1.42.2.10156", made)
    refused = library.run("restore")
    assert refused.returncode == 1
    assert f"was made under {newer}, and this host has nixos-26.05.5.0123456789ab" in refused.stdout
    assert "sudo systemctl start upgrade" in refused.stdout
    assert library.plex_runs()
    assert not library.exists(f"{STATE}/needs-nixpkgs")

    library.new_server()
    assert not library.start_plex()
    assert library.state() == ("failed", "failed")
    assert "`pulumi up` brings the host there first" in said(library)
    assert library.read(f"{STATE}/needs-nixpkgs") == f"{newer}\n"
    assert not library.exists(HOME)

    configure(library.host, ".12.abcdef012345")
    try:
        assert library.start_plex(), library.host.journal("plex-library")
        assert library.watched() == "1"
        assert not library.exists(f"{STATE}/needs-nixpkgs")

        # The host goes back, for example since the newer nixpkgs was not healthy.
        library.end()
        configure(library.host)
        assert not library.start_plex()
        assert library.state() == ("active", "exited")
        assert f"was made under {newer}, and this host has" in said(library, "plex")
        assert library.read(f"{STATE}/needs-nixpkgs") == f"{newer}\n"

        library.end()
        configure(library.host, ".12.abcdef012345")
        assert library.start_plex()
        assert not library.exists(f"{STATE}/needs-nixpkgs")
    finally:
        configure(library.host)


def test_only_a_host_that_is_new_enough_gets_a_library(library: Library) -> None:
    made = library.backup()
    for nixpkgs, plex, restored in (
        ("nixos-26.11.1.fedcba987654", "1.42.2.10156", False),
        ("nixos-26.11pre12.fedcba987654", "1.42.2.10156", False),
        ("nixos-26.05.5.0123456789ab", "1.43.0.1", False),
        ("somebody's own", "1.42.2.10156", False),
        ("nixos-26.05.4.fedcba987654", "1.42.2.10156", True),
        ("nixos-25.11.9000.fedcba987654", "1.9.9", True),
    ):
        library.restic("tag", "--quiet", "--set", f"nixpkgs={nixpkgs},plex={plex}", made)
        (made,) = library.snapshots()  # its tags are a part of what its ID is made of
        library.new_server()

        assert library.start_plex() is restored, (nixpkgs, plex, said(library))
        assert library.exists(HOME) is restored


def test_a_disk_that_is_too_small_is_told_before(library: Library) -> None:
    library.backup()
    library.new_server()
    library.host.ok("mkdir", "/var/lib/plex")
    library.host.ok("mount", "-t", "tmpfs", "-o", "size=50M", "small", "/var/lib/plex")
    try:
        assert not library.start_plex()
        assert "MB are free" in said(library)
        assert library.state() == ("failed", "failed")
    finally:
        library.end()
        library.host.ok("umount", "/var/lib/plex")


# Certificates.


@pytest.fixture
def certified(library: Library) -> Library:
    """A new server, after one that had a certificate."""
    script = """
    mkdir -p /var/lib/acme/plex.films.sandbox /var/lib/acme/.lego
    echo certificate >/var/lib/acme/plex.films.sandbox/fullchain.pem
    echo account >/var/lib/acme/.lego/account
    chown -R acme:acme /var/lib/acme
    """
    library.host.ok("sh", "-c", script)
    library.backup()
    library.new_server()
    return library


def test_certificates_come_back_before_any_is_ordered(certified: Library) -> None:
    certified.host.ok("systemctl", "start", "acme-setup")

    kept = "/var/lib/acme/plex.films.sandbox/fullchain.pem"
    assert certified.read(kept) == "certificate\n"
    assert certified.read("/var/lib/acme/.lego/account") == "account\n"
    owner = certified.host.ok("stat", "-c", "%U", kept, "/var/lib/acme").split()
    assert owner == ["acme", "acme"]


def test_certificates_that_are_here_stay(certified: Library) -> None:
    certified.host.write("/var/lib/acme/plex.films.sandbox/fullchain.pem", "a newer one\n")
    before = certified.bucket.door.requests
    certified.host.ok("systemctl", "start", "acme-setup")

    assert certified.read("/var/lib/acme/plex.films.sandbox/fullchain.pem") == "a newer one\n"
    assert certified.bucket.door.requests == before


def test_without_the_repository_certificates_are_ordered(certified: Library) -> None:
    hand_over(certified.host, port=NOWHERE)
    certified.host.ok("systemctl", "start", "acme-setup")

    assert "Backblaze does not answer: " in said(certified, "plex-library-certificates")
    assert certified.state("plex-library-certificates") == ("inactive", "dead")
    assert not certified.exists("/var/lib/acme/plex.films.sandbox/fullchain.pem")
    assert certified.state("acme-setup") == ("active", "exited")
