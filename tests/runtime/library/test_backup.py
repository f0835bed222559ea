"""Backups of Plex's library: the real restic, rclone, SQLite and systemd, and the B2 stand-in.

The units are the configuration's own. Only waits are shorter, and rclone is told the stand-in's address.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest

from sandbox.b2.caps import Cap
from sandbox.nixpkgs.tarball import RELEASE
from tests import stack
from tests.runtime.library.server import (
    DATABASE,
    DATABASES,
    HOME,
    NIXPKGS,
    PASSWORD,
    PLEX,
    READ_ONLY,
    STATE,
    Library,
    hand_over,
)
from tests.runtime.media import await_true

# Each transaction writes to both tables, and one follows the other.
WRITER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
number = 0
while True:
    number += 1
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO views VALUES (?, 'a writer')", (number,))
    database.execute("UPDATE total SET views = views + 1")
    database.execute("COMMIT")
    if number == 100:
        print("writes", flush=True)
"""


@contextmanager
def at_work(library: Library, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A program on the host for as long as the test wants."""
    with subprocess.Popen(
        library.host.command(*command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            # What runs on the host is a child of what was started here.
            os.killpg(process.pid, signal.SIGKILL)


def test_a_new_server_gets_the_library_with_every_row(library: Library) -> None:
    identifier = library.identifier()
    poster = library.host.ok("sha256sum", f"{HOME}/Metadata/Movies/poster.jpg")
    library.watch(2)
    library.backup()
    library.new_server()

    assert library.start_plex(), library.host.journal("plex-library")
    assert library.watched() == "1 2"
    assert library.identifier() == identifier
    assert library.host.ok("sha256sum", f"{HOME}/Metadata/Movies/poster.jpg") == poster
    strangers = library.host.ok("find", "/var/lib/plex", "!", "-user", "plex")
    assert strangers == ""
    for left_out in ("Cache", "Logs", "Crash Reports"):
        assert not library.exists(f"{HOME}/{left_out}"), left_out
    assert not library.exists(f"{DATABASE}-2026-11-20")


def test_a_backup_says_what_it_is_of(library: Library) -> None:
    made = library.backup()

    (snapshot,) = json.loads(library.restic("snapshots", "--json"))
    assert snapshot["hostname"] == "prod"
    assert snapshot["tags"] == [f"nixpkgs={NIXPKGS}", f"plex={PLEX}"]
    record = json.loads(library.restic("dump", made, f"{STATE}/staging/record.json"))
    assert record == {
        "stack": "prod",
        "nixpkgs": NIXPKGS,
        "nixos": RELEASE,
        "plex": PLEX,
    }
    last = library.last()
    assert (last["ok"], last["sentence"], last["snapshot"]) == (True, "", made)
    assert last["time"] == last["good"]
    assert datetime.now(UTC) - datetime.fromisoformat(str(last["time"])) < timedelta(minutes=1)
    assert int(str(last["size"])) > 3_000_000
    assert library.ok("warnings") == ""
    (head, line) = library.ok("list").splitlines()
    assert head.split() == ["ID", "made", "(UTC)", "size", "nixpkgs", "Plex"]
    assert line.split()[0] == made
    assert line.split()[3:] == ["4", "MB", NIXPKGS, PLEX]


def test_a_database_is_copied_as_it_was_at_one_moment_while_plex_writes(library: Library) -> None:
    library.sql(
        "CREATE TABLE total (views INTEGER); INSERT INTO total VALUES (0); DELETE FROM views;"
        "CREATE TABLE posters (image BLOB);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n WHERE i < 40)"
        "INSERT INTO posters SELECT randomblob(1000000) FROM n"
    )
    as_plex = ["runuser", "-u", "plex", "--", "python3", "-c", WRITER, DATABASE]
    with at_work(library, *as_plex) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writes\n"
        library.backup()
        backed_up = int(library.sql("SELECT views FROM total"))
        await_true(lambda: int(library.sql("SELECT views FROM total")) > backed_up)
        assert writer.poll() is None
    written = int(library.sql("SELECT views FROM total"))
    library.new_server()
    library.start_plex()

    count, last, total = library.sql(
        "SELECT count(*), max(film), (SELECT views FROM total) FROM views"
    ).split("|")
    assert count == last == total
    assert 100 <= int(total) < written
    assert library.sql("PRAGMA integrity_check(views)") == "ok"


def test_names_that_plex_would_not_give_are_in_no_backups_way(library: Library) -> None:
    copied = f'cp "$0" "{DATABASES}/a\' b.db"; ln -s /etc/shadow "{DATABASES}/c.db"'
    library.host.ok("runuser", "-u", "plex", "--", "sh", "-c", copied, DATABASE)

    library.backup()


@pytest.mark.heavy
def test_the_next_backup_takes_only_what_is_new(library: Library) -> None:
    library.backup()
    before = library.bucket.total()
    library.watch(2)
    library.backup()

    assert len(library.snapshots()) == 2
    assert before > 3_000_000
    assert library.bucket.total() - before < 200_000


def test_neither_key_nor_password_is_seen(library: Library) -> None:
    key = stack.settings_of().backup_application_key.get_secret_value()
    with library.bucket.door.holding("upload", "/data/"):
        library.host.ok("systemctl", "start", "--no-block", "plex-library-backup")
        assert library.bucket.door.waiting.wait(120)
        shown = library.host.ok(
            "sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
        )
    library.await_state("inactive", "plex-library-backup")

    assert "rclone" in shown
    assert "RESTIC_PASSWORD_FILE" in shown
    for secret in (key, PASSWORD):
        assert secret not in shown
        assert secret not in library.host.journal("plex-library*")


def expected_to_stay(days: list[date]) -> set[date]:
    """Seven days, five weeks and twelve months, the newest of each."""
    stay: set[date] = set()
    for count, kind in ((7, "%F"), (5, "%G-%V"), (12, "%Y-%m")):
        newest: dict[str, date] = {}
        for day in sorted(days, reverse=True):
            newest.setdefault(day.strftime(kind), day)
        stay |= set(list(newest.values())[:count])
    return stay


@pytest.mark.heavy
def test_old_backups_go_and_those_of_others_stay(library: Library) -> None:
    library.watch(2)
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=past) for past in (*range(1, 11), 45)]
    tags = ["--tag", f"nixpkgs={NIXPKGS}", "--tag", f"plex={PLEX}"]
    for day in days:
        at = ["--time", f"{day} 02:00:00", *tags, "/etc/hostname"]
        library.restic("backup", "--quiet", "--host", "prod", *at)
    library.restic("backup", "--quiet", "--host", "dev", "--time", f"{days[8]} 02:00:00", "/etc")
    library.backup()

    left = json.loads(library.restic("snapshots", "--json"))
    of_others = [each for each in left if each["hostname"] == "dev"]
    stayed = {date.fromisoformat(each["time"][:10]) for each in left if each not in of_others}
    assert len(of_others) == 1
    # The newest is of now, which is tomorrow if midnight has passed.
    assert stayed == expected_to_stay([*days, max(stayed)])
    assert len(stayed) < len(days) + 1
    library.restic("check")


@pytest.mark.heavy
def test_a_backup_that_may_not_write_is_told(library: Library) -> None:
    made = library.backup()
    good = library.last()["good"]
    before = library.bucket.names()
    library.bucket.allow(*READ_ONLY)
    library.watch(2)

    failed = library.run("backup")
    assert failed.returncode == 1
    assert "the key of the backups may not write to the bucket" in failed.stdout
    assert library.bucket.names() == before
    last = library.last()
    assert (last["ok"], last["snapshot"], last["good"]) == (False, made, good)
    line, tried = library.ok("warnings").splitlines()
    assert line == f"the backup of the library failed at {last['time']}: {last['sentence']}"
    assert tried == f"the backups of the library: {last['sentence']}"


def test_a_backup_that_fails_deletes_nothing_and_names_the_database(library: Library) -> None:
    for hour in (1, 2, 3):
        at = ["--time", f"2026-01-01 0{hour}:00:00"]
        library.restic("backup", "--quiet", "--host", "prod", *at, "/etc/hostname")
    before = library.snapshots()
    library.host.write(f"{DATABASES}/of-a-plugin.db", "no database\n" * 100)

    assert library.run("backup").returncode == 1
    assert "the database of-a-plugin.db could not be copied: " in str(library.last()["sentence"])
    assert library.snapshots() == before

    library.host.ok("rm", f"{DATABASES}/of-a-plugin.db")
    library.backup()
    assert library.snapshots()[:-1] == [before[0], before[2]]


@pytest.mark.heavy
def test_a_backup_that_is_killed_leaves_nothing_in_the_way(library: Library) -> None:
    made = library.backup()
    library.host.ok("sh", "-c", f"head -c 3000000 /dev/urandom >'{HOME}/Metadata/Movies/two.jpg'")
    with library.bucket.door.holding("upload", "/data/"):
        library.host.ok("systemctl", "start", "--no-block", "plex-library-backup")
        assert library.bucket.door.waiting.wait(120)
        library.host.ok("systemctl", "kill", "--signal=KILL", "plex-library-backup")
        library.await_state("failed", "plex-library-backup")
    assert library.snapshots() == [made]
    assert [name for name in library.bucket.names() if "/locks/" in name]

    library.backup()
    assert len(library.snapshots()) == 2
    assert not [name for name in library.bucket.names() if "/locks/" in name]
    library.restic("check")


@pytest.mark.heavy
def test_each_check_reads_the_next_part_of_the_data_and_all_of_it_in_52(library: Library) -> None:
    library.backup()
    assert "read group #1 of" in library.ok("check")
    assert "in 52 groups" in library.ok("check")
    library.bucket.damage("/data/")
    assert library.run("check").returncode == 1
    library.bucket.damage("/data/")  # puts it right again
    assert "read group #3 of" in library.ok("check")

    record = json.loads(library.read(f"{STATE}/check.json")) | {"part": 52}
    library.host.write(f"{STATE}/check.json", json.dumps(record), 0o600)
    assert "read group #1 of" in library.ok("check")


@pytest.mark.heavy
def test_a_repository_in_use_is_waited_for_and_then_told(library: Library) -> None:
    library.backup()
    environment = ["env", "RCLONE_CONFIG=/var/lib/secrets/backup.conf"]
    environment += ["RESTIC_REPOSITORY=rclone:backup:films-and-music-library/prod"]
    environment += ["RESTIC_PASSWORD_FILE=/var/lib/secrets/backup.password"]
    restic = [*environment, "restic", "backup", "--stdin", "--host", "other"]
    with at_work(library, *restic):
        library.await_that(lambda: any("/locks/" in name for name in library.bucket.names()))

        assert library.run("check").returncode == 1
        assert "the repository is in use: " in library.ok("warnings")
        # A backup can be made beside it; only the old ones have to wait.
        library.backup()
        assert library.last()["ok"] is True
        assert "was made, but old backups could not be taken away: " in library.ok("warnings")
        assert any("/locks/" in name for name in library.bucket.names())

        library.new_server()
        assert library.start_plex(), library.host.journal("plex-library")
        assert library.watched() == "1"


@pytest.mark.heavy
def test_a_repository_that_is_gone_is_not_made_anew_in_silence(library: Library) -> None:
    library.backup()
    library.bucket.delete()

    done = library.run("backup")
    assert done.returncode == 1
    assert "the repository at films-and-music-library/prod is gone" in done.stdout
    assert library.bucket.names() == []
    assert "is gone, with all backups in it" in library.ok("warnings")

    library.host.ok("rm", f"{STATE}/repository")
    library.backup()
    assert library.ok("warnings") == ""


def test_before_plex_has_a_library_there_is_nothing_to_back_up(new: Library) -> None:
    assert new.ok("backup") == "there is no library yet\n"
    assert not new.exists(f"{STATE}/last.json")


@pytest.mark.heavy
def test_an_old_backup_is_told(library: Library) -> None:
    library.host.ok("touch", "--date=3 days ago", f"{STATE}/since")
    assert library.ok("warnings") == "there has been no good backup of the library yet\n"

    library.backup()
    assert library.ok("warnings") == ""
    last = library.last() | {"good": "2026-01-01T01:02:03Z"}
    library.host.write(f"{STATE}/last.json", json.dumps(last), 0o600)
    assert library.ok("warnings") == (
        "the last good backup of the library is of 2026-01-01T01:02:03Z\n"
    )


def test_a_key_that_does_not_open_the_repository_is_told_at_once(library: Library) -> None:
    library.backup()
    hand_over(library.host, backupApplicationKey="K005" + "x" * 27)
    assert library.ok("warnings") == (
        "the backups of the library: Backblaze does not take the key of the backups; check backupKeyId and "
        "backupApplicationKey\n"
    )

    hand_over(library.host, password="another")
    (line,) = library.ok("warnings").splitlines()
    assert "was made with another password than this stack's" in line


def test_it_says_what_it_can_do(new: Library) -> None:
    shown = new.ok("--help")
    for word in ("backup", "list", "restore [ID]", "check", "start-empty", "warnings", "password"):
        assert f"\n  {word} " in shown
    wrong = new.run("backups")
    assert (wrong.returncode, wrong.stderr) == (64, shown)
    refused = new.host.run("runuser", "-u", "plex", "--", "plex-library", "list")
    assert refused.returncode == 1
    assert refused.stderr == "plex-library: this takes root: sudo plex-library list\n"


# Zeros in the place of the page where the films' rows begin.
_DAMAGE = """
import sqlite3, sys
opened = sqlite3.connect(sys.argv[1])
opened.execute("pragma wal_checkpoint(truncate)")
size = opened.execute("pragma page_size").fetchone()[0]
page = opened.execute("select rootpage from sqlite_schema where name = 'views'").fetchone()[0]
with open(sys.argv[1], "r+b") as file:
    file.seek((page - 1) * size)
    file.write(bytes(size))
"""


def test_a_damaged_database_is_in_no_backup(library: Library) -> None:
    library.host.ok("systemctl", "stop", "plex")
    good = library.backup()
    library.host.ok("python3", "-c", _DAMAGE, DATABASE)

    assert library.run("backup").returncode != 0

    assert library.snapshots() == [good]
    sentence = (
        "the database com.plexapp.plugins.library.db is damaged, so there is no new backup, and the older"
        " ones stay. `sudo plex-library restore` puts the newest in the place of the library"
    )
    assert library.last()["sentence"] == sentence
    assert sentence in library.ok("warnings")
    library.ok("restore")
    assert library.watched() == "1"
    library.backup()


@pytest.mark.parametrize(
    "text",
    [
        '<?xml version="1.0"?>\n<Preferences PlexOnl',
        pytest.param("", marks=pytest.mark.heavy),
        pytest.param("\0" * 500, marks=pytest.mark.heavy),
    ],
)
def test_preferences_that_a_power_cut_has_left_are_in_no_backup(
    library: Library, text: str
) -> None:
    library.host.ok("systemctl", "stop", "plex")
    good = library.backup()
    (library.host.root / f"{HOME}/Preferences.xml"[1:]).write_text(text)

    assert library.run("backup").returncode != 0

    assert library.snapshots() == [good]
    assert "Preferences.xml, which says who Plex is and whose, is empty or cut" in str(
        library.last()["sentence"]
    )


@pytest.mark.parametrize(
    ("cap", "code"),
    [
        ("download", "download"),
        pytest.param("B", "download", marks=pytest.mark.heavy),
        pytest.param("C", "transaction", marks=pytest.mark.heavy),
        ("storage", "storage"),
    ],
)
def test_a_cap_that_is_reached_is_no_wrong_key(library: Library, cap: Cap, code: str) -> None:
    good = library.backup()
    library.bucket.capped.reached = frozenset({cap})
    try:
        assert library.run("backup").returncode != 0
        sentence = str(library.last()["sentence"])
        warned = library.ok("warnings")
    finally:
        library.bucket.capped.reached = frozenset()

    assert sentence == (
        f"a cap of your account at Backblaze is reached (403 {code}_cap_exceeded). Raise it on its page"
        " Caps & Alerts; the counts begin anew at 0:00 UTC"
    )
    assert sentence in warned
    assert library.snapshots() == [good]
    library.backup()


@pytest.mark.heavy
def test_upload_urls_that_go_bad_are_no_obstacle(library: Library) -> None:
    library.ok("backup")
    library.host.ok("sh", "-c", f"head -c 3000000 /dev/urandom >'{HOME}/Metadata/Movies/more.jpg'")
    library.bucket.pods.busy = 2
    library.backup()
    assert library.bucket.pods.busy == 0
    assert len(library.snapshots()) == 2
