"""The API as an ASGI application."""

from __future__ import annotations

import hmac
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .actions import Actions
from .context import Cloud
from .errors import ApiError
from .faults import Faults, Misbehaving
from .limits import Limits, RateLimited
from .machines import Machines
from .power import Power
from .routes import (
    absent,
    actions,
    catalogue,
    firewalls,
    primary_ips,
    rrset_actions,
    rrsets,
    server_actions,
    server_create,
    servers,
    ssh_keys,
    zones,
)
from .state import State

log = logging.getLogger(__name__)

TOKEN_LENGTH = 64


class _Correlation:
    """Gives every answer an `X-Correlation-Id`, which clients put into their error texts."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Correlation-Id"] = uuid.uuid4().hex[:16]
            await send(message)

        await self._app(scope, receive, tagged if scope["type"] == "http" else send)


class _Authentication:
    """Lets nobody in without the project's token."""

    def __init__(self, app: ASGIApp, token: str, faults: Faults) -> None:
        self._app = app
        self._token = token
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = Headers(scope=scope).get("Authorization", "")
            expected = f"Bearer {self._faults.token or self._token}"
            if not hmac.compare_digest(given.encode(), expected.encode()):
                error = ApiError("unauthorized", "the token you have provided is invalid")
                await _answer(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _answer(error: ApiError) -> Response:
    return JSONResponse(error.payload(), error.status)


async def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        return _answer(error)
    what = f"{request.method} {request.url.path}"
    if isinstance(error, HTTPException):
        code = "method_not_allowed" if error.status_code == 405 else "not_found"
        return _answer(ApiError(code, f"{what} is not part of this API"))
    return _answer(ApiError("server_error", f"{what} failed"))


def create_app(
    state: State,
    machines: Machines,
    *,
    token: str,
    action_seconds: float = 0.05,
    faults: Faults | None = None,
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
) -> Starlette:
    """The API of one project, below /v1.

    `token` has 64 characters, as the provider demands. Every action is running for at least
    `action_seconds`. `faults` is what it does wrong, at first nothing. What was running when the
    state was last used has to be settled before, by `resume`.

    Raises:
        ValueError: the token has another length.
    """
    if len(token) != TOKEN_LENGTH:
        raise ValueError(f"the token has {len(token)} characters, not {TOKEN_LENGTH}")
    running = Actions(state, action_seconds)
    faults = faults or Faults()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await running.close()

    modules = (
        absent,
        actions,
        catalogue,
        firewalls,
        primary_ips,
        rrset_actions,
        rrsets,
        server_actions,
        server_create,
        servers,
        ssh_keys,
        zones,
    )
    app = Starlette(
        routes=[Mount("/v1", routes=[route for module in modules for route in module.routes])],
        middleware=[
            Middleware(_Correlation),
            Middleware(Misbehaving, faults=faults),
            Middleware(_Authentication, token=token, faults=faults),
            Middleware(RateLimited, limit=limits.requests),
        ],
        exception_handlers=dict.fromkeys((ApiError, HTTPException, Exception), _failed),
        lifespan=lifespan,
    )
    app.state.cloud = Cloud(state, machines, running, Power(state, machines, running), limits)
    return app
