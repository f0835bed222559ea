"""The B2 stand-in in a process of its own, with a link whose quality can be changed.

`python -m benchmarks.media.endpoint FOLDER` serves what lies in FOLDER until its standard input ends. There
it takes commands, a line of JSON each, and answers with one:
    {"link": [LATENCY, STREAM, ALL]}   a Link; null is no limit
    {"outage": "refused" | "hanging" | "503" | null}
    {"counts": true}                   what was asked for since this was asked last
Its first line is {"port": NUMBER}.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import socket
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal

from sandbox.b2.app import create_app
from sandbox.b2.counters import Counted, Counts
from sandbox.b2.link import Link, Linked
from sandbox.world import http


class Endpoint:
    """The stand-in behind its link, at a port that can be closed."""

    def __init__(self, folder: Path) -> None:
        self._linked = Linked(create_app(folder))
        self._counted = Counted(self._linked)
        # Kept, though it never listens: nobody else is given its port while the endpoint is gone.
        self._kept = socket.socket()
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._kept.bind(("127.0.0.1", 0))
        self.port: int = self._kept.getsockname()[1]
        self._open = AsyncExitStack()

    async def listen(self) -> None:
        await self._open.enter_async_context(http.serving(self._counted, ("127.0.0.1", self.port)))

    async def close(self) -> None:
        await self._open.aclose()

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Follow one command."""
        if "link" in command:
            latency, stream, everything = command["link"]
            self._linked.link = Link(latency, stream or math.inf, everything or math.inf)
        if "outage" in command:
            await self._break(command["outage"])
        if "counts" not in command:
            return {}
        counts, self._counted.counts = self._counted.counts, Counts()
        return {"B": counts.of_class("B"), "C": counts.of_class("C"), "sent": counts.sent}

    async def _break(self, outage: Literal["refused", "hanging", "503"] | None) -> None:
        refused = self._linked.outage == "cut"
        if outage == "refused":
            self._linked.outage = "cut"
            await self.close()
            return
        self._linked.outage = outage
        if refused:
            await self.listen()


async def main(folder: Path, lines: Callable[[], str]) -> None:
    """Serve until there are no more commands."""
    endpoint = Endpoint(folder)
    await endpoint.listen()
    print(json.dumps({"port": endpoint.port}), flush=True)
    while line := await asyncio.to_thread(lines):
        print(json.dumps(await endpoint.do(json.loads(line))), flush=True)
    await endpoint.close()


if __name__ == "__main__":
    logging.disable()  # an answer that an outage ends is no error
    asyncio.run(main(Path(sys.argv[1]), sys.stdin.readline))
