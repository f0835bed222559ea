"""How much a project may have, and how often it may ask."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import ApiError

_HOUR = 3600.0


@dataclass(frozen=True)
class Limits:
    """The limits of a project. At Hetzner the numbers of things depend on the account."""

    servers: int = 10
    primary_ips: int = 20
    requests: int = 3600
    """In an hour; what was used comes back evenly, with the documented number one each second."""


class RateLimited:
    """Middleware that counts requests, says what is left of them, and refuses those above."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._left = float(limit)
        self._seen = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._refill()
        refused = self._left < 1
        if not refused:
            self._left -= 1
        headers = self._headers()

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        if refused:
            error = ApiError(
                "rate_limit_exceeded", f"limit of {self._limit} requests per hour reached"
            )
            await JSONResponse(error.payload(), error.status)(scope, receive, told)
        else:
            await self._app(scope, receive, told)

    def _refill(self) -> None:
        now = time.monotonic()
        back = (now - self._seen) * self._limit / _HOUR
        self._left, self._seen = min(self._limit, self._left + back), now

    def _headers(self) -> dict[str, str]:
        whole = time.time() + (self._limit - self._left) * _HOUR / self._limit
        return {
            "RateLimit-Limit": str(self._limit),
            "RateLimit-Remaining": str(int(self._left)),
            "RateLimit-Reset": str(math.ceil(whole)),
        }
