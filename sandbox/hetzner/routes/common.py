"""The types of the fields that bodies of requests have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Labels = Annotated[dict[str, str], Field(max_length=50)]
UserData = Annotated[str, StringConstraints(max_length=32 * 1024)]
Key = int | str
"""An id or a name."""
