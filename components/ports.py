"""The one table of ports. Hetzner's firewall and the host's own are both made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

EVERYWHERE = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True)
class Port:
    """A way in. `number` is None for ICMP, which has no ports."""

    protocol: Literal["tcp", "udp", "icmp"]
    number: int | None
    purpose: str


SSH = Port("tcp", 22, "SSH")
PUBLIC = (
    Port("tcp", 80, "HTTP: certificates, and the way to HTTPS"),
    Port("tcp", 443, "HTTPS"),
    Port("icmp", None, "Path MTU and ping"),
)
HTTP3 = Port("udp", 443, "HTTP/3")
# Plex's ports for a local network, as in NixOS's module. Not 32400: it is reached through nginx alone.
LAN = (
    Port("tcp", 3005, "Plex Companion"),
    Port("tcp", 8324, "Plex for Roku by Plex Companion"),
    Port("tcp", 32469, "Plex DLNA server"),
    Port("udp", 1900, "Plex DLNA discovery"),
    Port("udp", 5353, "Bonjour discovery"),
    Port("udp", 32410, "GDM network discovery"),
    Port("udp", 32412, "GDM network discovery"),
    Port("udp", 32413, "GDM network discovery"),
    Port("udp", 32414, "GDM network discovery"),
)


def open_ports(*, lan: bool, http3: bool) -> tuple[Port, ...]:
    """Every way into the server, SSH first; with Plex's local network ports and with HTTP/3, or without."""
    return (SSH, *PUBLIC, *((HTTP3,) if http3 else ()), *(LAN if lan else ()))


def numbers(ports: Sequence[Port], protocol: Literal["tcp", "udp"]) -> list[int]:
    """The port numbers of one protocol, in the table's order."""
    return [port.number for port in ports if port.protocol == protocol and port.number is not None]
