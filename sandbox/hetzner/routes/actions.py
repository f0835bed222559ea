"""GET /actions; those of one resource, or of one kind, have paths below these, see `resource`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..context import cloud, render_action
from ..errors import ApiError, invalid, not_found
from ..listing import page
from ..records import Action


def answer(request: Request, actions: list[Action]) -> Response:
    """A page of these actions."""
    wanted = request.query_params.getlist("status")
    rows = [action for action in actions if not wanted or action.status in wanted]
    return page(
        request,
        "actions",
        rows,
        render_action,
        {
            "id": lambda action: action.id,
            "command": lambda action: action.command,
            "status": lambda action: action.status,
            "started": lambda action: action.started,
            "finished": lambda action: action.finished or "",
        },
    )


async def by_ids(request: Request) -> Response:
    """GET /actions: only with ids; listing all of them was removed from the API."""
    ids = request.query_params.getlist("id")
    if not ids:
        raise ApiError("deprecated_api_endpoint", "listing all actions is no longer possible")
    if not all(number.isdecimal() for number in ids):
        raise invalid("id", "must be integers")
    found = (cloud(request).state.actions.get(int(number)) for number in ids)
    return answer(request, [action for action in found if action])


async def one(request: Request) -> Response:
    """GET /actions/{id}"""
    number = int(request.path_params["action"])
    action = cloud(request).state.actions.get(number)
    if action is None:
        raise not_found("action", number)
    return JSONResponse({"action": render_action(action)})


routes = [Route("/actions", by_ids), Route("/actions/{action:int}", one)]
