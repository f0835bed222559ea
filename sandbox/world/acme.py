"""Let's Encrypt, by its own test server Pebble: the real protocol, real validation, unknown roots."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.world import addresses
from sandbox.world.ca import Authority, write
from sandbox.world.process import DIES_WITH_US, end

log = logging.getLogger(__name__)

_PORT = 14000
_MANAGEMENT_PORT = 15000
_PATIENCE = 120.0  # seconds
# Ten years: no host can renew once Pebble was started anew, and 90 days would be all that a sandbox has.
DAYS = 3650
# What a proxy must not hand on, since it is about the connection and not about the message.
_OWN_HEADERS = {"connection", "content-length", "keep-alive", "server", "transfer-encoding"}


@contextlib.asynccontextmanager
async def serving(
    program: Path, folder: Path, authority: Authority, *, days: int = DAYS
) -> AsyncIterator[Starlette]:
    """Runs Pebble on loopback, and gives the application that answers in Let's Encrypt's place.

    Pebble makes a new root at each start. All roots of this sandbox's life are kept in `folder`, see
    `roots`. `days` is how long its certificates are good.

    Raises:
        RuntimeError: Pebble did not start; the log says why.
    """
    tls = authority.issue("pebble", ["localhost", "127.0.0.1"])
    settings = {
        "listenAddress": f"127.0.0.1:{_PORT}",
        "managementListenAddress": f"127.0.0.1:{_MANAGEMENT_PORT}",
        "certificate": str(tls.certificate),
        "privateKey": str(tls.key),
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
        "keyAlgorithm": "ecdsa",
        "retryAfter": {"authz": 1, "order": 1},
        "profiles": {
            "classic": {"description": f"{days} days", "validityPeriod": days * 24 * 3600}
        },
    }
    write(folder / "pebble.json", json.dumps({"pebble": settings}, indent=1).encode())
    process = await asyncio.create_subprocess_exec(
        *DIES_WITH_US,
        program,
        "-config",
        folder / "pebble.json",
        "-dnsserver",
        f"{addresses.RESOLVERS[0]}:53",
        # It would wait up to 15 s before each validation. Its other faults stay on.
        env={"PEBBLE_VA_NOSLEEP": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    reading = asyncio.create_task(_read(process))
    trust = ssl.create_default_context(cafile=authority.certificate)
    try:
        async with httpx.AsyncClient(verify=trust, trust_env=False, timeout=60) as client:
            await _keep_root(client, process, folder)
            yield _front(client)
    finally:
        await end(process)
        await reading


def roots(folder: Path) -> bytes:
    """The roots of every Pebble so far, as PEM: what was issued before a restart is still trusted."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("root-*.pem")))


async def _read(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    async for line in process.stdout:
        log.info("%s", line.decode(errors="replace").rstrip())


async def _keep_root(
    client: httpx.AsyncClient, process: asyncio.subprocess.Process, folder: Path
) -> None:
    """Waits for the first answer, which is the root. Pebble does not tell when it listens."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE
    while True:
        try:
            answer = await client.get(f"https://127.0.0.1:{_MANAGEMENT_PORT}/roots/0")
            await client.get(f"https://127.0.0.1:{_PORT}/dir")
            break
        except httpx.TransportError as error:
            if process.returncode is not None or loop.time() > deadline:
                raise RuntimeError(f"Pebble does not answer: {error}") from error
            await asyncio.sleep(0.05)
    _add_root(folder, answer.content)


def _add_root(folder: Path, root: bytes) -> None:
    number = len(list(folder.glob("root-*.pem")))
    write(folder / f"root-{number:04d}.pem", root)


def _front(client: httpx.AsyncClient) -> Starlette:
    """Pebble under Let's Encrypt's name. Only the directory has another path there; it names the rest."""

    async def forward(request: Request) -> Response:
        path = "/dir" if request.url.path == "/directory" else request.url.path
        query = f"?{request.url.query}" if request.url.query else ""
        answer = await client.request(
            request.method,
            f"https://127.0.0.1:{_PORT}{path}{query}",
            # The Host stays: Pebble makes its URLs of it, and clients sign them.
            headers=[(n, v) for n, v in request.headers.items() if n not in _OWN_HEADERS],
            content=await request.body(),
        )
        response = Response(answer.content, answer.status_code)
        for name, value in answer.headers.multi_items():
            if name not in _OWN_HEADERS:
                response.headers.append(name, value)
        return response

    return Starlette(routes=[Route("/{path:path}", forward, methods=["GET", "HEAD", "POST"])])
