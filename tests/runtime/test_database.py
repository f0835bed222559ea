"""Plex's databases around a change of Plex: database.sh with real SQLite databases, under real systemd."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.runtime.lone_host import REPO, Host, host

FOLDER = "/var/lib/plex/Plex Media Server/Plug-in Support/Databases"
DATABASE = f"{FOLDER}/com.plexapp.plugins.library.db"
STATE = "/var/lib/converge"

# Ends with the row in the log, without any clearing up.
_WATCH = """
import os, sqlite3, sys
opened = sqlite3.connect(sys.argv[1])
opened.execute("insert into films values (?)", sys.argv[2:])
opened.commit()
os._exit(0)
"""


@dataclass
class Databases:
    """A host with Plex's databases, and two generations whose Plex differs."""

    host: Host

    def run(self, *words: str) -> str:
        return self.host.ok("sh", "/srv/host/database.sh", *words)

    def copy(self, new: str = "/srv/new") -> str:
        return self.run("copy", "/srv/old", new)

    def sql(self, text: str, database: str = DATABASE) -> str:
        return self.host.ok("sqlite3", database, text).strip()

    def films(self) -> list[str]:
        return self.sql("select name from films order by name").split()

    def watch(self, name: str) -> None:
        """A row that is in the database's log alone, as after a power cut."""
        self.host.run("python3", "-c", _WATCH, DATABASE, name)

    def migrate(self) -> None:
        """What a newer Plex does at its first start."""
        self.sql("alter table films rename to items; insert into items values ('Later')")

    def exists(self, path: str) -> bool:
        return (self.host.root / path.lstrip("/")).exists()

    def running(self) -> bool:
        return self.host.run("systemctl", "is-active", "--quiet", "plex").returncode == 0


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("database")) as running:
        running.write("/srv/host/database.sh", (REPO / "nix/host/database.sh").read_text())
        sound = (REPO / "nix/host/library/sound.sh").read_text()
        running.write("/srv/host/library/sound.sh", sound)
        running.ok("ln", "-s", "/bin/bash", "/usr/local/bin/sh")  # which NixOS's is
        for name, plex in (("old", "1"), ("same", "1"), ("new", "2"), ("newer", "3")):
            unit = f"[Service]\nUser=plex\nExecStart=/nix/store/plex-{plex}/bin/plexmediaserver\n"
            running.write(f"/srv/{name}/etc/systemd/system/plex.service", unit)
        # As plex.nix has it.
        condition = "ConditionPathExists=!/run/plex-databases"
        unit = f"[Unit]\n{condition}\n[Service]\nExecStart=sleep infinity\n"
        running.write("/run/systemd/system/plex.service", unit)
        running.ok("systemctl", "daemon-reload")
        yield running


@pytest.fixture
def databases(lone: Host) -> Databases:
    made = Databases(lone)
    script = f"""
    rm -rf {STATE} '{FOLDER}'
    mkdir -p {STATE} /run/converge '{FOLDER}'
    touch '{DATABASE}-2026-11-20'
    """
    lone.ok("sh", "-c", script)
    made.sql(
        "pragma journal_mode=wal; create table films (name); insert into films values ('Faust')"
    )
    made.watch("Nosferatu")
    assert (lone.root / f"{DATABASE[1:]}-wal").stat().st_size > 0
    lone.ok("chown", "-R", "plex:", FOLDER)
    lone.ok("systemctl", "start", "plex")
    return made


def test_the_same_plex_is_not_even_stopped(databases: Databases) -> None:
    assert databases.copy("/srv/same") == ""
    assert databases.running()
    assert not databases.exists(f"{STATE}/database.trial")


def test_a_change_that_fails_gets_every_row_back(databases: Databases) -> None:
    databases.copy()
    assert not databases.running()
    databases.migrate()

    said = databases.run("put-back")
    assert databases.films() == ["Faust", "Nosferatu"]
    owners = databases.host.ok("sh", "-c", f"stat -c %U '{FOLDER}'/*.db*").split()
    assert set(owners) == {"plex"}
    assert databases.exists(f"{DATABASE}-2026-11-20")  # Plex's own, of which nobody makes a copy
    # What the newer Plex made of it is not lost.
    aside = f"{STATE}/database.trial.newer"
    assert aside in said
    later = f"{aside}/com.plexapp.plugins.library.db"
    assert "Later" in databases.sql("select name from items", later)
    assert not databases.exists(f"{STATE}/database.trial")
    # A second time there is nothing to put back.
    databases.sql("insert into films values ('Metropolis')")
    assert databases.run("put-back") == ""
    assert databases.films() == ["Faust", "Metropolis", "Nosferatu"]


# Zeros in the place of the second page, where the films are.
_DAMAGE = """
import sys
with open(sys.argv[1], "r+b") as file:
    size = int.from_bytes(file.read(18)[16:], "big")
    file.seek(size)
    file.write(bytes(size))
"""


def damage(databases: Databases) -> None:
    databases.sql("pragma wal_checkpoint(truncate)")
    databases.host.ok("python3", "-c", _DAMAGE, DATABASE)


def test_a_damaged_database_is_not_given_to_another_plex(databases: Databases) -> None:
    damage(databases)
    before = databases.host.ok("sha256sum", DATABASE)

    refused = databases.host.run("sh", "/srv/host/database.sh", "copy", "/srv/old", "/srv/new")

    assert refused.returncode == 1
    assert (
        "com.plexapp.plugins.library.db is damaged. `sudo plex-library restore`" in refused.stdout
    )
    assert databases.host.ok("sha256sum", DATABASE) == before
    assert not databases.exists(f"{STATE}/database.trial")
    assert databases.run("put-back") == ""
    databases.host.ok("systemctl", "start", "plex")
    assert databases.running()


def test_a_damaged_database_is_copied_where_another_plex_has_booted(databases: Databases) -> None:
    databases.host.ok("mkdir", "-p", "/nix/var/nix/gcroots/converge")
    damage(databases)
    assert "is damaged" in databases.run("copy-at-boot", "/srv/old", "/srv/new")
    assert databases.exists(f"{STATE}/database.kept")


# As Plex's own: an index and a table for full text that only Plex's SQLite can read.
_PLEXS = """
import sqlite3, sys
opened = sqlite3.connect(sys.argv[1], isolation_level=None)
opened.create_collation("icu_root", lambda one, other: (one > other) - (one < other))
opened.execute("create index index_title_sort_icu on films (name collate icu_root)")
opened.execute("create virtual table titles using fts4(content='films', name, tokenize=unicode61)")
opened.execute("insert into titles(titles) values ('rebuild')")
opened.execute("pragma writable_schema = on")
opened.execute("update sqlite_master set sql = replace(sql, 'unicode61', 'collating')")
"""


def test_what_only_plexs_own_sqlite_can_read_is_no_damage(databases: Databases) -> None:
    databases.host.ok("runuser", "-u", "plex", "--", "python3", "-c", _PLEXS, DATABASE)
    stock = databases.host.run("sqlite3", DATABASE, "pragma quick_check")
    assert stock.returncode != 0

    said = databases.host.run("sh", "/srv/host/database.sh", "copy", "/srv/old", "/srv/new")

    assert (said.returncode, said.stderr) == (0, "")
    assert "collating" in databases.sql("select sql from sqlite_schema where name = 'titles'")
    assert "icu_root" in databases.sql("select sql from sqlite_schema where type = 'index'")
    assert databases.sql("select group_concat(name) from films") == "Faust,Nosferatu"

    databases.run("put-back")
    damage(databases)
    assert databases.host.run(
        "sh", "/srv/host/database.sh", "copy", "/srv/old", "/srv/new"
    ).returncode


# What SQLite's shell offers to a schema: a program that it starts, with whatever rights it has.
_RUNS = """
create table lures (name check (edit(name, 'touch /run/lured #') is not null));
pragma ignore_check_constraints = on;
insert into lures values ('film');
"""


def test_a_schema_that_runs_programs_runs_none_as_root(databases: Databases) -> None:
    """A backup looks through the databases as root, and Plex's user wrote them."""
    databases.sql(_RUNS)
    databases.host.run("rm", "-f", "/run/lured")

    said = databases.host.ok("sh", "/srv/host/library/sound.sh", DATABASE)

    assert said == ""
    assert databases.host.run("test", "-e", "/run/lured").returncode == 1


_STARTS = """#!/bin/sh
# The mount comes back meanwhile, and wants Plex.
systemctl start plex
systemctl is-active plex >>/run/seen
exec /usr/bin/"${0##*/}" "$@"
"""


@pytest.mark.parametrize("program", ["cp", "mv"])
def test_nobody_starts_plex_meanwhile(program: str, databases: Databases) -> None:
    if program == "mv":
        databases.copy()
        databases.host.ok("systemctl", "start", "plex")
    databases.host.write(f"/usr/local/bin/{program}", _STARTS, 0o755)
    try:
        if program == "cp":
            databases.copy()
        else:
            databases.run("put-back")
    finally:
        databases.host.ok("rm", f"/usr/local/bin/{program}")

    assert set(databases.host.ok("sh", "-c", "cat /run/seen; rm /run/seen").split()) == {"inactive"}
    databases.host.ok("systemctl", "start", "plex")
    assert databases.running()


def test_putting_back_goes_on_where_it_was_cut_short(databases: Databases) -> None:
    databases.copy()
    databases.migrate()
    # The power fails while the copies are brought into place: one is half there.
    aside = f"{STATE}/database.trial.newer"
    script = f"""
    set -e
    mkdir {aside}
    mv '{FOLDER}'/*.db '{FOLDER}'/*.db-* {aside}/ 2>/dev/null
    touch {STATE}/database.trial/.aside
    head -c 100 {STATE}/database.trial/com.plexapp.plugins.library.db >'{DATABASE}'
    """
    databases.host.ok("sh", "-c", script)

    databases.run("put-back")
    assert databases.films() == ["Faust", "Nosferatu"]
    later = f"{aside}/com.plexapp.plugins.library.db"
    assert "Later" in databases.sql("select name from items", later)


def test_a_copy_that_was_cut_short_is_never_put_back(databases: Databases) -> None:
    databases.host.ok("mkdir", f"{STATE}/database.trial.new")
    assert databases.run("put-back") == ""
    assert not databases.exists(f"{STATE}/database.trial.new")
    databases.copy()
    databases.run("put-back")
    assert databases.films() == ["Faust", "Nosferatu"]


def test_of_an_accepted_change_the_copy_is_kept_for_a_week(databases: Databases) -> None:
    databases.copy()
    databases.run("keep")
    databases.host.ok("systemctl", "start", "plex")
    kept = f"{STATE}/database.kept"
    databases.run("forget")
    assert databases.exists(kept)
    databases.host.ok("touch", "--date=6 days ago", kept)
    databases.run("forget")
    assert databases.exists(kept)
    databases.host.ok("touch", "--date=8 days ago", kept)
    databases.host.ok("systemctl", "stop", "plex")
    databases.run("forget")
    assert databases.exists(kept)  # Plex is not running: who knows what it will be needed for
    databases.host.ok("systemctl", "start", "plex")
    databases.run("forget")
    assert not databases.exists(kept)


PENDING = "/nix/var/nix/gcroots/converge/pending"


@pytest.fixture
def pending(databases: Databases) -> Iterator[None]:
    """A generation waits for its first boot."""
    databases.host.ok("mkdir", "-p", "/nix/var/nix/gcroots/converge")
    databases.host.ok("ln", "-sfn", "/srv/new", PENDING)
    yield
    databases.host.ok("rm", "-f", PENDING)


@pytest.mark.usefixtures("pending")
def test_what_did_not_boot_falls_back_over_all_changes_since(databases: Databases) -> None:
    databases.copy()
    databases.migrate()
    databases.run("keep")
    # Another change before the reboot: the older copy is the one to fall back to.
    databases.run("copy", "/srv/new", "/srv/newer")
    databases.run("keep")
    databases.run("copy-at-boot", "/srv/old", "/srv/newer")
    databases.run("fall-back")
    assert databases.films() == ["Faust", "Nosferatu"]


@pytest.mark.usefixtures("pending")
def test_a_copy_of_a_change_that_is_settled_is_none_to_fall_back_to(databases: Databases) -> None:
    databases.copy()
    databases.run("keep")
    databases.run("settled")
    databases.sql("insert into films values ('Metropolis')")  # in the days since
    databases.run("copy", "/srv/new", "/srv/newer")
    databases.run("keep")
    databases.run("fall-back")
    assert databases.films() == ["Faust", "Metropolis", "Nosferatu"]


@pytest.mark.usefixtures("pending")
def test_what_comes_with_its_first_boot_is_copied_then(databases: Databases) -> None:
    databases.run("copy-at-boot", "/srv/old", "/srv/same")
    assert not databases.exists(f"{STATE}/database.kept")
    databases.run("copy-at-boot", "/srv/old", "/srv/new")
    databases.migrate()
    databases.run("fall-back")
    assert databases.films() == ["Faust", "Nosferatu"]


def test_putting_back_goes_on_between_a_database_and_its_log(databases: Databases) -> None:
    databases.copy()
    databases.migrate()
    copy = f"{STATE}/database.trial"
    script = f"""
    set -e
    mkdir {copy}.newer
    mv '{FOLDER}'/*.db '{FOLDER}'/*.db-* {copy}.newer/ 2>/dev/null
    touch {copy}/.aside
    mv {copy}/com.plexapp.plugins.library.db '{FOLDER}/'
    """
    databases.host.ok("sh", "-c", script)

    databases.run("put-back")
    assert databases.films() == ["Faust", "Nosferatu"]


def test_without_room_for_a_copy_nothing_is_touched(databases: Databases) -> None:
    databases.host.ok("mount", "-t", "tmpfs", "-o", "size=8M", "none", STATE)
    try:
        refused = databases.host.run("sh", "/srv/host/database.sh", "copy", "/srv/old", "/srv/new")
        assert refused.returncode == 1
        assert "a copy of its databases takes 1 MB, but only 8 MB are free" in refused.stdout
        assert databases.running()
    finally:
        databases.host.ok("umount", STATE)


def as_plex(on: Host, script: str) -> None:
    on.ok("runuser", "-u", "plex", "--", "bash", "-euc", script, "bash", FOLDER)


def test_names_that_plex_gives_are_no_commands_of_roots(databases: Databases) -> None:
    """With `-0`, `du` ends no line, and what bash is to add begins with a folder's name."""
    hostile = """
    mkdir -p "$1/x/"$'d\\nPATH[$(touch owned)]'
    touch "$1/"$'x\\n-0\\n.db'
    """
    as_plex(databases.host, hostile)

    done = databases.host.run("sh", "/srv/host/database.sh", "copy", "/srv/old", "/srv/new")

    assert not databases.exists("/owned")
    assert done.returncode == 0, done.stderr
    databases.run("put-back")
    assert databases.films() == ["Faust", "Nosferatu"]


def test_names_that_plex_gives_are_no_paths_of_roots(databases: Databases) -> None:
    databases.host.write("/precious/file", "root's\n")
    databases.copy()
    as_plex(databases.host, """touch "$1/x" "$1/"$'x\\nprecious\\n.db'""")

    done = databases.host.run("sh", "/srv/host/database.sh", "put-back")

    assert databases.exists("/precious/file")
    assert done.returncode == 0, done.stderr
    assert databases.films() == ["Faust", "Nosferatu"]


def test_a_folder_in_the_place_of_a_database_makes_way(databases: Databases) -> None:
    databases.copy()
    as_plex(databases.host, f"rm '{DATABASE}'*; mkdir '{DATABASE}' '{DATABASE}-wal'")

    databases.run("put-back")

    assert databases.films() == ["Faust", "Nosferatu"]


@contextmanager
def linked(on: Host) -> Iterator[str]:
    """A link of Plex's to a folder of root's that is named as Plex's is, with a database of root's in it."""
    above, _, name = FOLDER.rpartition("/")
    on.write(f"/srv/theirs/{name}/root.db", "root's\n", 0o600)
    on.ok("chown", "plex:", above, above.rpartition("/")[0])
    as_plex(on, f"mv '{above}' '{above}.own'; ln -s /srv/theirs '{above}'")
    try:
        yield f"/srv/theirs/{name}"
    finally:
        as_plex(on, f"rm '{above}'; mv '{above}.own' '{above}'")


def test_a_link_of_plexs_leads_root_nowhere(databases: Databases) -> None:
    with linked(databases.host):
        assert "is a link, and is not followed" in databases.copy()
    assert not databases.exists(f"{STATE}/database.trial")

    databases.copy()
    with linked(databases.host) as theirs:
        said = databases.run("put-back")
        assert databases.host.ok("ls", theirs) == "root.db\n"

    left = f"{STATE}/database.trial.left"
    assert said.endswith(f"Plex's databases from before the change stay in {left}\n")
    kept = databases.sql("select name from films", f"{left}/{DATABASE.rpartition('/')[2]}")
    assert kept.split() == ["Faust", "Nosferatu"]
    # No later change meets it.
    assert databases.run("put-back") == ""
