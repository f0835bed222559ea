"""What every route works with, and how it reads a request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TypeVar, cast

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .actions import Actions
from .errors import ApiError, invalid_fields, not_found, not_unique
from .limits import Limits
from .machines import Machines
from .power import Power
from .records import Action, Named
from .state import State
from .store import Names

B = TypeVar("B", bound=BaseModel)
N = TypeVar("N", bound=Named)


@dataclass(frozen=True)
class Cloud:
    """The parts behind the API."""

    state: State
    machines: Machines
    actions: Actions
    power: Power
    limits: Limits

    def check_room(self, *, servers: int = 0, primary_ips: int = 0) -> None:
        """Refuse that many more than the project may have. Raises ApiError."""
        for what, present, more, most in (
            ("servers", self.state.machines, servers, self.limits.servers),
            ("primary IPs", self.state.primary_ips, primary_ips, self.limits.primary_ips),
        ):
            if more and sum(1 for _ in present) + more > most:
                raise ApiError("resource_limit_exceeded", f"the project may have {most} {what}")


def cloud(request: Request) -> Cloud:
    """The parts behind the API that received this request."""
    return cast(Cloud, request.app.state.cloud)


async def body(request: Request, model: type[B]) -> B:
    """The request's JSON body. An empty one is an empty object. Raises ApiError."""
    raw = await request.body()
    try:
        content = json.loads(raw) if raw.strip() else {}
    except ValueError:
        raise ApiError("json_error", "the body is not valid JSON") from None
    try:
        return model.model_validate(content)
    except ValidationError as failure:
        fields: dict[str, list[str]] = {}
        for error in failure.errors():
            name = ".".join(str(part) for part in error["loc"]) or "body"
            fields.setdefault(name, []).append(error["msg"])
        raise invalid_fields(fields) from None


def find(collection: Names[N], kind: str, key: str | int) -> N:
    """The record with this id or name. Raises ApiError `not_found`."""
    record = collection.find(key)
    if record is None:
        raise not_found(kind, key)
    return record


def check_name(collection: Names[N], kind: str, name: str, *, besides: int | None = None) -> None:
    """Refuse a name that another record has. Raises ApiError `uniqueness_error`."""
    if collection.taken(name, besides=besides):
        raise not_unique("name", f"{kind} name is already used")


def answer_action(action: Action, status: int = 201) -> Response:
    """The answer to a request that started one action."""
    return JSONResponse({"action": render_action(action)}, status)


def answer_actions(actions: list[Action]) -> Response:
    """The answer to a request that started several."""
    return JSONResponse({"actions": [render_action(action) for action in actions]}, 201)


def render_action(action: Action) -> dict[str, object]:
    """An action as clients see it."""
    return action.model_dump()
