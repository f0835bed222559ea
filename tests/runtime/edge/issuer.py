"""Let's Encrypt for one host: Pebble and a resolver in the host's own network, under the real names."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox import toolchain
from sandbox.world import acme
from sandbox.world.addresses import RESOLVERS
from sandbox.world.ca import Authority
from tests.runtime.lone_host import Host

NAME = "acme-v02.api.letsencrypt.org"
ADDRESS = "203.0.113.90"
ADDRESSES = (f"{ADDRESS}/32", f"{RESOLVERS[0]}/32")
_MANAGEMENT = 8055
# nginx has port 443 of every address.
_PORT = 8443
_LEADS_THERE = f"""
table ip issuer {{
  chain output {{
    type nat hook output priority -100;
    ip daddr {ADDRESS} tcp dport 443 redirect to :{_PORT}
  }}
}}
"""


class Issuer:
    """It issues for whom the resolver knows, or fails with a status."""

    def __init__(self, on: Host, folder: Path) -> None:
        self.failing = 0
        self.authority = Authority(folder)
        self._host = on
        self._folder = folder

    def knows(self, name: str, address: str) -> None:
        """From now on there is a record."""
        self._tell("add-a", {"host": f"{name}.", "addresses": [address]})

    def _tell(self, what: str, value: object) -> None:
        url = f"http://127.0.0.1:{_MANAGEMENT}/{what}"
        request = urllib.request.Request(url, json.dumps(value).encode())
        self._host.inside(lambda: urllib.request.urlopen(request, timeout=10).close())  # noqa: S310 - ours

    def front(self, app: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            failed = Response("not now", self.failing or 503)
            await (failed if self.failing else app)(scope, receive, send)

        return answer

    async def serve(self, days: int, listens: threading.Event, over: asyncio.Event) -> None:
        tls = self.authority.issue("acme", [NAME])
        pebble = toolchain.locations().pebble
        async with acme.serving(pebble, self._folder, self.authority, days=days) as app:
            config = uvicorn.Config(
                self.front(app),
                host="127.0.0.1",
                port=_PORT,
                lifespan="off",
                log_level="warning",
                ssl_certfile=tls.certificate,
                ssl_keyfile=tls.key,
            )
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server._serve())
            while not server.started:
                await asyncio.sleep(0.02)
            listens.set()
            await over.wait()
            server.should_exit = True
            await serving


@contextmanager
def issuer(on: Host, folder: Path, *, days: int = acme.DAYS) -> Iterator[Issuer]:
    """An issuer that `on` takes for Let's Encrypt; its certificates are good for some days."""
    made = Issuer(on, folder)
    listens = threading.Event()
    over: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        end = asyncio.Event()
        over.append((asyncio.get_running_loop(), end))
        await made.serve(days, listens, end)

    names = [str(toolchain.locations().challenge_server), "-dnsserver", f"{RESOLVERS[0]}:53"]
    names += ["-management", f"127.0.0.1:{_MANAGEMENT}", "-defaultIPv4", "", "-defaultIPv6", ""]
    names += [
        word for other in ("http01", "https01", "tlsalpn01", "doh") for word in (f"-{other}", "")
    ]
    with subprocess.Popen(
        ["nsenter", f"--target={on.pid}", "--net", *names],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as resolver:
        thread = threading.Thread(target=lambda: on.inside(lambda: asyncio.run(run())))
        thread.start()
        try:
            assert listens.wait(60), "Pebble did not start"
            on.await_port("127.0.0.1", _MANAGEMENT)
            on.inside(
                lambda: subprocess.run(["nft", "-f", "-"], input=_LEADS_THERE.encode(), check=True)
            )
            on.write("/etc/hosts", f"127.0.0.1 localhost\n{ADDRESS} {NAME}\n")
            on.write("/etc/acme-ca.pem", made.authority.certificate.read_text())
            yield made
        finally:
            for loop, end in over:
                loop.call_soon_threadsafe(end.set)
            thread.join()
            resolver.kill()
            on.inside(lambda: subprocess.run(["nft", "delete table ip issuer"], check=True))
