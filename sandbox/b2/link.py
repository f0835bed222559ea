"""The way between the stand-in and its clients: its delay, its bandwidth, and when it is broken."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.b2.errors import B2Error

# Small, so that the first bytes of an answer wait for no others.
_PIECE = 64 * 1024
# Seconds that may be made up for when a timer, or the computer, was slow.
_LATE = 0.05

Outage = Literal["cut", "hanging", "503"]


@dataclass(frozen=True)
class Link:
    """How good the way is.

    Attributes:
        latency: seconds before an answer begins. (A new connection costs nothing more, unlike one by TLS.)
        stream: bytes per second of one answer.
        all: bytes per second of all answers together.
    """

    latency: float = 0
    stream: float = math.inf
    all: float = math.inf


@dataclass
class _Pace:
    """Tells the next bytes to wait until those before them have passed."""

    clear: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def passed(self, size: int, rate: float) -> float:
        """When `size` bytes more will have passed, in the loop's time."""
        self.clear = max(self.clear, asyncio.get_running_loop().time() - _LATE) + size / rate
        return self.clear


class _BrokenError(OSError):
    """The answer ends here, and the connection with it."""


class Linked:
    """An application at the other end of a link.

    `link` may be changed at any time, and so may `outage`, from any thread:
        cut: every answer that is on its way ends, and every further one before it begins;
        hanging: nothing is answered any more to whoever asks or is being answered, then or later;
        503: answers that are on their way end, and every call is refused with that status.
    """

    def __init__(self, app: ASGIApp, link: Link | None = None) -> None:
        self._app = app
        self.link = link or Link()
        self._outage: Outage | None = None
        self._all: _Pace | None = None
        self._broken: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @property
    def outage(self) -> Outage | None:
        return self._outage

    @outage.setter
    def outage(self, outage: Outage | None) -> None:
        self._outage = outage
        for broken, loop in list(self._broken.items()) if outage else ():
            loop.call_soon_threadsafe(broken.set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        broken = asyncio.Event()
        self._broken[broken] = asyncio.get_running_loop()
        await asyncio.sleep(self.link.latency)
        answer = asyncio.ensure_future(self._answer(scope, receive, send))
        ends = asyncio.ensure_future(broken.wait())
        try:
            await asyncio.wait((answer, ends), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                answer.cancel()
                await self._end()
            with suppress(asyncio.CancelledError):
                await answer
        finally:
            del self._broken[broken]
            ends.cancel()
            answer.cancel()

    async def _end(self) -> None:
        if self._outage == "hanging":
            await asyncio.get_running_loop().create_future()
        raise _BrokenError("an outage of the link")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._outage == "503":
            await B2Error(503, "service_unavailable", "an outage").response()(scope, receive, send)
            return
        if self._outage:
            await self._end()
        pace = _Pace()

        async def paced(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
                return
            body, more = message.get("body", b""), message.get("more_body", False)
            for at in range(0, max(len(body), 1), _PIECE):
                piece = body[at : at + _PIECE]
                await self._pass(pace, len(piece))
                last = at + _PIECE >= len(body)
                await send({**message, "body": piece, "more_body": more or not last})

        await self._app(scope, receive, paced)

    async def _pass(self, pace: _Pace, size: int) -> None:
        if self._all is None:
            self._all = _Pace()
        until = max(pace.passed(size, self.link.stream), self._all.passed(size, self.link.all))
        # The loop's clock is no finer than a millisecond.
        if (wait := until - asyncio.get_running_loop().time()) > 0.001:
            await asyncio.sleep(wait)
