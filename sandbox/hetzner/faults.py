"""Misbehaviour to order: what the API does wrong, and when. Its application has a port of its own."""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .actions import doomed
from .errors import STATUS, ApiError

# What belongs to one kind of misbehaviour, and to no other.
_EXTRAS = {"slow": "seconds", "error": "code", "html": "status", "failed_action": "command"}


class Fault(BaseModel):
    """One order. It holds for the next requests that it fits, and then is used up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = "*"
    path: str = "*"
    """A glob, below /v1; its asterisk stands for slashes too."""
    do: Literal["slow", "error", "html", "never", "lost", "failed_action"]
    times: Annotated[int, Field(ge=1)] | None = 1
    """How many requests; None is all of them."""
    seconds: Annotated[float, Field(ge=0)] = 5
    """Of "slow": how long the request waits before it is heard."""
    code: str = "server_error"
    """Of "error": the error's code, from which its status follows."""
    status: Annotated[int, Field(ge=400, le=599)] = 502
    """Of "html": the status of the page."""
    command: str = "*"
    """Of "failed_action": a glob for the command of the action, if the request starts several."""

    @model_validator(mode="after")
    def _fits(self) -> Fault:
        if stray := self.model_fields_set & set(_EXTRAS.values()) - {_EXTRAS.get(self.do)}:
            raise ValueError(f"{', '.join(sorted(stray))}: not for '{self.do}'")
        if self.code not in STATUS:
            raise ValueError(f"code: must be one of {', '.join(sorted(STATUS))}")
        return self


class Faults:
    """What has been ordered, and what has been asked of the API."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        """Method, and path below /v1, of every request, the oldest first."""
        self.token = ""
        """What opens the API in the place of its first token; empty while it is that one."""
        self._orders: list[Fault] = []

    @property
    def orders(self) -> list[Fault]:
        """What is still to come, the oldest first."""
        return list(self._orders)

    def order(self, **what: Any) -> None:
        """Order a `Fault` by its fields. Raises pydantic's ValidationError."""
        self.add(Fault(**what))

    def add(self, fault: Fault) -> None:
        """Order a fault."""
        self._orders.append(fault)

    def clear(self) -> None:
        """Take all orders back."""
        self._orders.clear()

    def next(self, method: str, path: str) -> Fault | None:
        """Note a request, and take the oldest order that fits it."""
        self.requests.append((method, path))
        for position, fault in enumerate(self._orders):
            if fnmatchcase(method, fault.method) and fnmatchcase(path, fault.path):
                left = None if fault.times is None else fault.times - 1
                self._orders[position : position + 1] = (
                    [] if left == 0 else [fault.model_copy(update={"times": left})]
                )
                return fault
        return None


class Misbehaving:
    """Middleware that does what has been ordered."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = None
        if scope["type"] == "http":
            fault = self._faults.next(scope["method"], scope["path"].removeprefix("/v1"))
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await self._misbehave(fault, scope, receive, send)

    async def _misbehave(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        match fault.do:
            case "slow":
                await asyncio.sleep(fault.seconds)
                await self._app(scope, receive, send)
            case "error":
                error = ApiError(fault.code, "this error was ordered")
                await JSONResponse(error.payload(), error.status)(scope, receive, send)
            case "html":
                page = "<html><body><h1>Bad gateway</h1></body></html>"
                await HTMLResponse(page, fault.status)(scope, receive, send)
            case "never":
                while (await receive())["type"] != "http.disconnect":
                    pass
            case "lost":
                await self._app(scope, receive, _nowhere)
                # An answer that no server can write: it closes the connection in its place.
                await send({"type": "http.response.start", "status": 0, "headers": []})
            case "failed_action":
                token = doomed.set(fault.command)
                try:
                    await self._app(scope, receive, send)
                finally:
                    doomed.reset(token)


async def _nowhere(_message: Message) -> None:
    pass


def create_control(faults: Faults) -> Starlette:
    """The application that takes the orders. It is no part of Hetzner's API, and asks for no token.

    GET and DELETE /faults, POST /faults with the fields of a `Fault`; GET and DELETE /requests; DELETE
    /token, and PUT /token with one that opens the API from then on, in the place of any other.
    """

    async def ordered(_request: Request) -> Response:
        return JSONResponse([fault.model_dump() for fault in faults.orders])

    async def order(request: Request) -> Response:
        try:
            faults.add(Fault.model_validate_json(await request.body()))
        except ValidationError as error:
            return JSONResponse({"error": str(error)}, 422)
        return Response(status_code=204)

    async def cleared(_request: Request) -> Response:
        faults.clear()
        return Response(status_code=204)

    async def seen(_request: Request) -> Response:
        return JSONResponse([{"method": method, "path": path} for method, path in faults.requests])

    async def forgotten(_request: Request) -> Response:
        faults.requests.clear()
        return Response(status_code=204)

    async def rotated(request: Request) -> Response:
        faults.token = (await request.body()).decode()
        return Response(status_code=204)

    return Starlette(
        routes=[
            Route("/token", rotated, methods=["PUT", "DELETE"]),
            Route("/faults", ordered),
            Route("/faults", order, methods=["POST"]),
            Route("/faults", cleared, methods=["DELETE"]),
            Route("/requests", seen),
            Route("/requests", forgotten, methods=["DELETE"]),
        ]
    )
