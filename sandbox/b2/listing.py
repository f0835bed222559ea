"""Listings in pages: the names or the versions of a bucket, by prefix, folder by folder if asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sandbox.b2.store import Store, Version


@dataclass(frozen=True)
class Folder:
    """Stands for every name that begins with `name`, which ends in the delimiter."""

    name: str


Entry = Version | Folder


@dataclass(frozen=True)
class Page:
    """Entries, and where the next page begins; None is the end."""

    entries: list[Entry]
    next_name: str | None = None
    next_id: str | None = None


def names(
    store: Store, bucket_id: str, *, start: str, count: int, prefix: str, delimiter: str
) -> Page:
    """The current version of each name; hidden ones are left out."""
    visible = (
        name
        for name in store.names_from(bucket_id, max(start, prefix))
        if store.current(bucket_id, name) is not None
    )
    found: list[Entry] = []
    for entry in _folded(visible, prefix, delimiter):
        one = entry if isinstance(entry, Folder) else store.current(bucket_id, entry)
        if one is None:
            continue
        if len(found) == count:
            return Page(found, one.name)
        found.append(one)
    return Page(found)


def versions(
    store: Store,
    bucket_id: str,
    *,
    start: str,
    start_id: str | None,
    count: int,
    prefix: str,
    delimiter: str,
) -> Page:
    """Every version of each name, newest first; the first name from `start_id` on."""
    found: list[Entry] = []
    for entry in _folded(store.names_from(bucket_id, max(start, prefix)), prefix, delimiter):
        several: list[Entry] = [entry] if isinstance(entry, Folder) else []
        if isinstance(entry, str):
            several = [*store.versions(bucket_id, entry)]
            if start_id is not None and entry == start:
                ids = [version.id for version in store.versions(bucket_id, entry)]
                several = several[ids.index(start_id) :] if start_id in ids else several
        for one in several:
            if len(found) == count:
                return Page(found, one.name, one.id if isinstance(one, Version) else None)
            found.append(one)
    return Page(found)


def _folded(names: Iterable[str], prefix: str, delimiter: str) -> Iterator[str | Folder]:
    """Of names in order those with the prefix, those in one folder as that folder, once."""
    folder = None
    for name in names:
        if not name.startswith(prefix):
            return
        rest = name[len(prefix) :]
        if delimiter and delimiter in rest:
            inside = prefix + rest[: rest.index(delimiter) + len(delimiter)]
            if inside != folder:
                folder = inside
                yield Folder(inside)
        else:
            yield name
