"""The resolver that machines are given: the world's names, Hetzner's zones, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol, cast

from dnslib import QTYPE, RCODE, RR, DNSError, DNSHeader, DNSRecord  # type: ignore[import-untyped]  # it has none

log = logging.getLogger(__name__)

_TTL = 5  # seconds; names move quickly here
_TYPES = ("A", "AAAA", "CNAME", "TXT", "MX", "CAA", "NS", "SRV")


class Zones(Protocol):
    """What the resolver asks of the Hetzner stand-in."""

    def records(self, name: str, rtype: str) -> tuple[str, ...]:
        """The values of one rrset, by its full name in lower case without the final dot."""

    def pointer(self, address: str) -> str | None:
        """The name that an address stands for."""


class Resolver:
    """Answers questions as a recursive resolver would."""

    def __init__(self, names: Mapping[str, str], zones: Zones) -> None:
        self._names = names
        self._zones = zones

    def answer(self, question: bytes) -> bytes:
        """The answer on the wire. Raises DNSError for bytes that are no question."""
        asked = DNSRecord.parse(question)
        header = DNSHeader(id=asked.header.id, qr=1, rd=asked.header.rd, ra=1)
        reply = DNSRecord(header, q=asked.q)
        name = str(asked.q.qname).rstrip(".").lower()
        rtype = QTYPE.get(asked.q.qtype)
        records, known = self._find(name, str(rtype))
        reply.header.rcode = RCODE.NOERROR if known else RCODE.NXDOMAIN
        for owner, found, value in records:
            reply.add_answer(*RR.fromZone(f"{owner}. {_TTL} IN {found} {value}"))
        log.info("%s %s: %s", rtype, name, [r[2] for r in records] or RCODE[reply.header.rcode])
        return bytes(reply.pack())

    def _find(self, name: str, rtype: str) -> tuple[list[tuple[str, str, str]], bool]:
        """Owner, type and value of each record, and whether there is such a name at all."""
        if rtype == "PTR":
            target = self._zones.pointer(_address(name)) if _address(name) else None
            return ([(name, "PTR", _dotted(target))] if target else []), bool(target)
        alias = self._values(name, "CNAME")
        if alias and rtype != "CNAME":
            behind, known = self._find(alias[0].rstrip(".").lower(), rtype)
            return [(name, "CNAME", _dotted(alias[0])), *behind], known
        values = self._values(name, rtype)
        known = bool(values) or any(self._values(name, other) for other in _TYPES)
        return [(name, rtype, value) for value in values], known

    def _values(self, name: str, rtype: str) -> tuple[str, ...]:
        if name in self._names:
            return (self._names[name],) if rtype == "A" else ()
        return self._zones.records(name, rtype)


@contextlib.asynccontextmanager
async def serving(resolver: Resolver, addresses: tuple[str, ...]) -> AsyncIterator[None]:
    """Listens on port 53 of each address, UDP and TCP."""
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        for address in addresses:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Udp(resolver), local_addr=(address, 53)
            )
            stack.callback(transport.close)
            server = await asyncio.start_server(_tcp(resolver), address, 53)
            stack.callback(server.close)
        yield


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's own transport for datagrams is not declared as one.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        with contextlib.suppress(DNSError):
            self._transport.sendto(self._resolver.answer(data), addr)


def _tcp(resolver: Resolver) -> Callable[[StreamReader, StreamWriter], Awaitable[None]]:
    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(DNSError, asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                answer = resolver.answer(await reader.readexactly(length))
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()
        writer.close()

    return talk


def _dotted(name: str) -> str:
    return name.rstrip(".") + "."


def _address(reverse_name: str) -> str:
    """The address that a name under in-addr.arpa or ip6.arpa stands for; empty if it is none."""
    labels = reverse_name.split(".")
    with contextlib.suppress(ValueError):
        if labels[-2:] == ["in-addr", "arpa"]:
            return str(ipaddress.IPv4Address(".".join(reversed(labels[:-2]))))
        if labels[-2:] == ["ip6", "arpa"]:
            digits = "".join(reversed(labels[:-2]))
            return str(ipaddress.IPv6Address(bytes.fromhex(digits)))
    return ""
