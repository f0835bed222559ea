"""A slow line, since not every kernel has one: connections to port 22 are led through here, and take time.

`python -m benchmarks.up.relay` stands in the network that it slows down, until its standard input ends. There
it takes a number of seconds, a line each: the time to the host and back. It answers with a line of JSON, what
passed since the line before: connections, round trips, bytes. A round trip is a connection's beginning, or
the host's answer to what was sent after its last one.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass

_TABLE = "inet relay"
# Connections with this mark are the relay's own.
_MARK = 0x52
_SO_ORIGINAL_DST = 80
_PIECE = 64 * 1024


@dataclass
class Passed:
    """What has passed since somebody asked."""

    connections: int = 0
    round_trips: int = 0
    bytes: int = 0


class Relay:
    """The line. `seconds` is the time to the host and back; it may be changed at any time."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.passed = Passed()

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection to where it was meant to go."""
        self.passed.connections += 1
        self.passed.round_trips += 1
        await asyncio.sleep(self.seconds)
        with suppress(OSError):
            there, back = await asyncio.open_connection(sock=await self._dial(writer))
            asked = asyncio.Event()
            await asyncio.gather(
                self._pump(reader, back, asked, forth=True),
                self._pump(there, writer, asked, forth=False),
            )
        writer.close()

    async def _dial(self, writer: asyncio.StreamWriter) -> socket.socket:
        came: socket.socket = writer.get_extra_info("socket")
        meant = came.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, 16)
        port, address = struct.unpack("!2xH4s8x", meant)
        dialled = socket.socket()
        dialled.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, _MARK)
        dialled.setblocking(False)
        await asyncio.get_running_loop().sock_connect(dialled, (socket.inet_ntoa(address), port))
        return dialled

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        asked: asyncio.Event,
        *,
        forth: bool,
    ) -> None:
        """One direction: each piece arrives half of the time after it was sent."""
        loop = asyncio.get_running_loop()
        on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def arrive() -> None:
            while True:
                due, piece = await on_its_way.get()
                await asyncio.sleep(max(0, due - loop.time()))
                if not piece:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                writer.write(piece)
                await writer.drain()

        arriving = asyncio.create_task(arrive())
        piece = b"-"
        while piece:
            try:
                piece = await reader.read(_PIECE)
            except ConnectionError:
                piece = b""  # it ends here, as by the end of what was sent
            self.passed.bytes += len(piece)
            if forth and piece:
                asked.set()
            elif piece and asked.is_set():
                asked.clear()
                self.passed.round_trips += 1
            on_its_way.put_nowait((loop.time() + self.seconds / 2, piece))
        with suppress(ConnectionError):
            await arriving


async def main() -> None:
    """Lead connections here until there are no more commands."""
    relay = Relay()
    server = await asyncio.start_server(relay.connection, "0.0.0.0", 0)  # noqa: S104 - in the sandbox's network
    port = server.sockets[0].getsockname()[1]
    rule = f"tcp dport 22 meta mark != {_MARK} redirect to :{port}"
    chain = f"chain out {{\ntype nat hook output priority -100\n{rule}\n}}"
    _nft(f"table {_TABLE} {{\n{chain}\n}}\n")
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            relay.seconds = float(line)
            print(json.dumps(asdict(relay.passed)), flush=True)
            relay.passed = Passed()
    finally:
        # Connections that are still open end with it, and nobody has to be told.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        _nft(f"delete table {_TABLE}\n")


def _nft(rules: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)


if __name__ == "__main__":
    asyncio.run(main())
