"""What the routes of named resources have in common: list, get, update, delete, and their actions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import labels
from ..actions import of
from ..context import Cloud, answer_action, answer_actions, body, check_name, cloud
from ..errors import not_found, protected
from ..listing import SortKey, chosen, page
from ..records import Action, Named, PrimaryIp, Zone
from ..state import State
from ..store import Names
from . import actions
from .common import Labels, Name

N = TypeVar("N", bound=Named)

Command = Callable[[Request, Cloud, N], Awaitable[Action | list[Action]]]
Filters = Mapping[str, Callable[[Cloud, N], Sequence[str]]]

SORT_KEYS: Mapping[str, SortKey[Named]] = {
    "id": lambda record: record.id,
    "name": lambda record: record.name,
    "created": lambda record: record.created,
}


class Change(BaseModel):
    """The body of a PUT; what is left out stays as it is."""

    name: Name | None = None
    labels: Labels | None = None


@dataclass(frozen=True)
class Kind(Generic[N]):
    """A kind of resource. Its name in the plural is its path."""

    name: str
    """As in the keys of answers, for example "primary_ip"."""
    title: str
    """As in messages, for example "primary IP"."""
    collection: Callable[[State], Names[N]]
    render: Callable[[Cloud, N], dict[str, object]]
    """The resource as clients see it."""
    by_name: bool = False
    """Whether a path may name it by its name too, which then cannot change."""

    def of(self, request: Request) -> N:
        """The resource that the path names. Raises ApiError `not_found`."""
        key, records = request.path_params["id"], self.collection(cloud(request).state)
        record = records.find(key) if self.by_name else records.get(int(key))
        if record is None:
            raise not_found(self.title, key)
        return record

    def answer(self, parts: Cloud, record: N, status: int = 200, **more: object) -> Response:
        """The answer that shows a resource, and `more` beside it."""
        return JSONResponse({self.name: self.render(parts, record), **more}, status)

    def routes(
        self,
        remove: Callable[[Cloud, N], Response | None],
        *,
        filters: Filters[N] | None = None,
        change: type[Change] = Change,
        changing: Callable[[N, Any], None] | None = None,
        commands: Sequence[Command[N]] = (),
    ) -> list[Route]:
        """The paths of this kind, but for what creates one.

        `remove` deletes, or answers with the action that does. `filters` say by which parameters
        a list can be cut down. `changing` checks and takes over what only this kind's body of a
        PUT, `change`, has. `commands` are its actions, in the path by their functions' names.
        """

        async def listed(request: Request) -> Response:
            parts = cloud(request)
            records = self.collection(parts.state)
            rows = chosen(
                request, records, name=lambda row: row.name, labels=lambda row: row.labels
            )
            for parameter, values in (filters or {}).items():
                if wanted := set(request.query_params.getlist(parameter)):
                    rows = [row for row in rows if wanted & set(values(parts, row))]
            return page(request, self._plural, rows, lambda row: self.render(parts, row), SORT_KEYS)

        async def get(request: Request) -> Response:
            return self.answer(cloud(request), self.of(request))

        async def update(request: Request) -> Response:
            parts, record = cloud(request), self.of(request)
            wanted = await body(request, change)
            self._check(parts, record, wanted)
            if changing is not None:
                changing(record, wanted)
            if wanted.name is not None and not self.by_name:
                record.name = wanted.name
            if wanted.labels is not None:
                record.labels = wanted.labels
            self.collection(parts.state).save(record)
            return self.answer(parts, record)

        async def delete(request: Request) -> Response:
            return remove(cloud(request), self.of(request)) or Response(status_code=204)

        async def all_actions(request: Request) -> Response:
            return actions.answer(request, of(cloud(request).state, self.name))

        async def actions_of_one(request: Request) -> Response:
            record = self.of(request)
            return actions.answer(request, of(cloud(request).state, self.name, record.id))

        every = f"/{self._plural}"
        one = every + ("/{id}" if self.by_name else "/{id:int}")
        return [
            Route(every, listed),
            # Before what has an id in the same place, which may be a name.
            Route(f"{every}/actions", all_actions),
            Route(f"{every}/actions/{{action:int}}", actions.one),
            Route(f"{one}/actions", actions_of_one),
            Route(f"{one}/actions/{{action:int}}", actions.one),
            Route(one, get),
            Route(one, update, methods=["PUT"]),
            Route(one, delete, methods=["DELETE"]),
            *(self._route(one, command) for command in commands),
        ]

    def _route(self, one: str, command: Command[N]) -> Route:
        async def endpoint(request: Request) -> Response:
            begun = await command(request, cloud(request), self.of(request))
            return answer_actions(begun) if isinstance(begun, list) else answer_action(begun)

        return Route(f"{one}/actions/{command.__name__}", endpoint, methods=["POST"])

    def _check(self, parts: Cloud, record: N, change: Change) -> None:
        if change.name is not None and not self.by_name:
            records = self.collection(parts.state)
            check_name(records, self.title, change.name, besides=record.id)
        if change.labels is not None:
            labels.check(change.labels)

    @property
    def _plural(self) -> str:
        return f"{self.name}s"


P = TypeVar("P", PrimaryIp, Zone)


class _Protection(BaseModel):
    delete: bool


def protection(kind: Kind[P], check: Callable[[P, bool], None] | None = None) -> Command[P]:
    """The action `change_protection` of what can be protected against deletion alone.

    `check` raises ApiError if the wanted protection cannot be had.
    """

    async def change_protection(request: Request, parts: Cloud, record: P) -> Action:
        wanted = (await body(request, _Protection)).delete
        if check is not None:
            check(record, wanted)

        async def act() -> None:
            record.delete_protection = wanted
            kind.collection(parts.state).save(record)

        return parts.actions.begin("change_protection", (kind.name, record.id), act=act)

    return change_protection


def check_unprotected(kind: Kind[P], record: P) -> None:
    """Refuse to delete what is protected. Raises ApiError `protected`."""
    if record.delete_protection:
        raise protected(kind.title, "deletion")
