"""Records on disk: one JSON file for each, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

from .records import Named, Record

R = TypeVar("R", bound=Record)
N = TypeVar("N", bound=Named)


def write(path: Path, text: str) -> None:
    """Replace a file's content in one step, so that a reader or a crash never meets half of it."""
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


class Collection(Generic[R]):
    """All records of one kind, by id, in the order of their ids."""

    def __init__(self, directory: Path, kind: type[R]) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        found = (kind.model_validate_json(path.read_bytes()) for path in directory.glob("*.json"))
        self._records: dict[int, R] = {
            record.id: record for record in sorted(found, key=lambda record: record.id)
        }

    def __iter__(self) -> Iterator[R]:
        return iter(tuple(self._records.values()))

    def get(self, record_id: int) -> R | None:
        """The record with this id, if there is one."""
        return self._records.get(record_id)

    def save(self, record: R) -> None:
        """Write a new or changed record."""
        write(self._path(record.id), record.model_dump_json(indent=2))
        self._records[record.id] = record

    def delete(self, record_id: int) -> None:
        """Forget a record. Does nothing if it is gone."""
        self._path(record_id).unlink(missing_ok=True)
        self._records.pop(record_id, None)

    def _path(self, record_id: int) -> Path:
        return self._directory / f"{record_id}.json"


class Names(Collection[N]):
    """Records that are unique by name and found by either id or name."""

    def find(self, key: str | int) -> N | None:
        """The record with this id, or else with this name."""
        text = str(key)
        if text.isdecimal() and (record := self.get(int(text))):
            return record
        return next((record for record in self if record.name == text), None)

    def taken(self, name: str, *, besides: int | None = None) -> bool:
        """Whether another record than `besides` has this name."""
        return any(record.name == name and record.id != besides for record in self)
