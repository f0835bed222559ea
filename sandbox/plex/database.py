"""The library's database: SQLite in WAL mode, whose schema moves one way with Plex's version.

A database of an older version is migrated in steps that stay done one by one; one of a newer version is
refused. One of its indices is sorted in a way that SQLite itself does not have, as in Plex's own.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = "Plug-in Support/Databases"
NAME = "com.plexapp.plugins.library.db"
KNOB = "migration"
"""A file in the server's folder. `waits` keeps a migration half-way, `fails` and `crashes` end it there."""

_ITEMS = """
create table metadata_items (
  id integer primary key, title text not null, file text not null, made_by text not null
)
"""
_INDEX = """
create index if not exists index_title_sort_icu on metadata_items (title collate icu_root)
"""
_EMPTY = f"""
begin;
create table schema_migrations (version text primary key, finished integer not null);
{_ITEMS};
{_INDEX};
create table metadata_item_settings (
  id integer primary key references metadata_items, view_count integer not null
);
commit;
"""


class UnusableError(Exception):
    """The server cannot work with this database. The message says why."""


class Database:
    """The database of one server. `ready` is whether it may be asked; a migration comes before."""

    def __init__(self, home: Path, version: str) -> None:
        """Opens the database, and makes an empty one where there is none.

        Args:
            home: the server's folder, which has Preferences.xml.
            version: Plex's own.

        Raises:
            UnusableError: a newer Plex has changed it, or it is damaged where it is looked at first.
        """
        self.version = version
        self._knob = home / KNOB
        self._lock = threading.Lock()
        path = home / FOLDER / NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        # Every statement stays done as soon as it is: no transaction but those that are said.
        self._opened = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._opened.create_collation("icu_root", _compared)
        try:
            self._opened.execute("pragma journal_mode=wal")
            if not self._tables():
                self._opened.executescript(_EMPTY)
                self._opened.execute("insert into schema_migrations values (?, 1)", [version])
            schema = max(self._versions(), key=_order)
        except sqlite3.DatabaseError as error:
            raise UnusableError(f"Error: Unable to set up server: {error}") from error
        if _order(schema) > _order(version):
            raise UnusableError(
                f"the database has the schema of version {schema}, and this is {version}"
            )
        self.ready = bool(self._versions().get(version))

    def migrate(self) -> None:
        """Brings the schema up to this version. One that was cut short goes on.

        Raises:
            UnusableError: it failed half-way; what was done by then stays.
        """
        if self.ready:
            return
        run = self._opened.execute
        run("insert or ignore into schema_migrations values (?, 0)", [self.version])
        if "items_before" not in self._tables():
            run("alter table metadata_items rename to items_before")
        run(_ITEMS.replace("create table", "create table if not exists"))
        self._half_way()
        run(
            "insert or ignore into metadata_items select id, title, file, ? from items_before",
            [self.version],
        )
        run("drop table items_before")
        run(_INDEX)
        run("update schema_migrations set finished = 1 where version = ?", [self.version])
        self.ready = True

    def found(self, films: Iterable[tuple[int, str, str]]) -> None:
        """Remembers what a scan has found: number, title and path of each."""
        with self._transaction() as run:
            for film in films:
                run.execute(
                    "insert or ignore into metadata_items values (?, ?, ?, ?)",
                    [*film, self.version],
                )

    def watched(self, number: int) -> bool:
        """Counts one more view; whether a scan has found that film."""
        with self._transaction() as run:
            known = run.execute("select 1 from metadata_items where id = ?", [number]).fetchone()
            if known:
                run.execute(
                    "insert into metadata_item_settings values (?, 1)"
                    " on conflict (id) do update set view_count = view_count + 1",
                    [number],
                )
            return bool(known)

    def views(self) -> dict[int, int]:
        """How often each film that was found has been watched, by its number."""
        with self._lock:
            return dict(
                self._opened.execute(
                    "select id, coalesce(view_count, 0) from metadata_items"
                    " left join metadata_item_settings using (id)"
                )
            )

    def close(self) -> None:
        """Closes it, which writes what is in its log into its place."""
        self._opened.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._opened.execute("begin immediate")
            with self._opened:
                yield self._opened

    def _tables(self) -> set[str]:
        rows = self._opened.execute("select name from sqlite_master where type = 'table'")
        return {name for (name,) in rows}

    def _versions(self) -> dict[str, int]:
        return dict(self._opened.execute("select version, finished from schema_migrations"))

    def _half_way(self) -> None:
        while (said := self._said()) == "waits":
            time.sleep(0.1)
        if said == "crashes":
            os.abort()
        if said == "fails":
            raise UnusableError(f"the migration to {self.version} has failed")

    def _said(self) -> str:
        try:
            return self._knob.read_text().strip()
        except FileNotFoundError:
            return ""


def _order(version: str) -> list[int]:
    """Of 1.42.99.05.1.0123456789ab all but the revision."""
    return [int(number) for number in re.findall(r"(?:^|\.)(\d+)", version)[:5]]


def _compared(one: str, other: str) -> int:
    return (one.casefold() > other.casefold()) - (one.casefold() < other.casefold())
