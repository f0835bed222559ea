"""Serving several applications in one process, each on its own addresses."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from sandbox.world.ca import Pair


class _Server(uvicorn.Server):
    """Leaves the signals to the daemon, and tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp,
    *places: tuple[str, int],
    tls: Pair | None = None,
    lifespan: Literal["on", "off"] = "off",
) -> AsyncIterator[None]:
    """Serves an application at each address and port. A link-local one is named with its `%link`.

    Raises:
        OSError: a place is taken.
        RuntimeError: the application did not start.
    """
    config = uvicorn.Config(
        app,
        lifespan=lifespan,
        log_config=None,
        proxy_headers=False,  # who asks is told by the address, not by a header
        server_header=False,
        timeout_graceful_shutdown=2,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    server = _Server(config)
    listeners = [_listener(*place) for place in places]
    task = asyncio.create_task(server.serve(listeners))
    started = asyncio.create_task(server.listens.wait())
    try:
        await asyncio.wait((task, started), return_when=asyncio.FIRST_COMPLETED)
        if not server.listens.is_set() or server.should_exit:
            raise RuntimeError(f"the application at {places[0]} did not start")
        yield
    finally:
        started.cancel()
        server.should_exit = True
        await task
        for listener in listeners:
            listener.close()


def _listener(address: str, port: int) -> socket.socket:
    (family, _, _, _, place), *_ = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(place)
    listener.listen(256)
    return listener
