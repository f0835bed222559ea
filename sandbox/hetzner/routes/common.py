"""What the routes of named resources have in common."""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, Field, StringConstraints

from .. import labels
from ..context import check_name
from ..listing import SortKey
from ..records import Named
from ..store import Names

N = TypeVar("N", bound=Named)

Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Labels = Annotated[dict[str, str], Field(max_length=50)]
Key = int | str
"""An id or a name."""

SORT_KEYS: Final[dict[str, SortKey[Named]]] = {
    "id": lambda record: record.id,
    "name": lambda record: record.name,
    "created": lambda record: record.created,
}


class Change(BaseModel):
    """The body of a PUT; what is left out stays as it is."""

    name: Name | None = None
    labels: Labels | None = None


def rename(collection: Names[N], kind: str, record: N, change: Change) -> None:
    """Give a record the new name and labels, and save it. Raises ApiError."""
    if change.name is not None:
        check_name(collection, kind, change.name, besides=record.id)
    if change.labels is not None:
        labels.check(change.labels)
    record.name = record.name if change.name is None else change.name
    record.labels = record.labels if change.labels is None else change.labels
    collection.save(record)
