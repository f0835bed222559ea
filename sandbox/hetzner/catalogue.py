"""What can be ordered: locations, server types, images. A choice of the real list, with its names.

Prices are not part of it yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Architecture = Literal["x86", "arm"]


@dataclass(frozen=True)
class Location:
    id: int
    name: str
    city: str
    country: str
    description: str
    network_zone: str
    latitude: float
    longitude: float


@dataclass(frozen=True)
class Deprecation:
    """Since when something is known to end, and when it can no longer be ordered (RFC 3339)."""

    announced: str
    unavailable_after: str


@dataclass(frozen=True)
class ServerType:
    id: int
    name: str
    category: str
    cores: int
    memory: float
    """Gigabytes."""
    disk: int
    """Gigabytes."""
    cpu_type: Literal["shared", "dedicated"]
    architecture: Architecture
    available: frozenset[str]
    """Names of the locations where it can be ordered today."""
    offered: frozenset[str]
    """Names of the locations that list it at all."""
    deprecation: Deprecation | None = None


@dataclass(frozen=True)
class Image:
    id: int
    name: str
    description: str
    flavor: str
    version: str
    architecture: Architecture


LOCATIONS = (
    Location(1, "fsn1", "Falkenstein", "DE", "Falkenstein DC Park 1", "eu-central", 50.47, 12.37),
    Location(2, "nbg1", "Nuremberg", "DE", "Nuremberg DC Park 1", "eu-central", 49.45, 11.08),
    Location(3, "hel1", "Helsinki", "FI", "Helsinki DC Park 1", "eu-central", 60.17, 24.94),
    Location(4, "ash", "Ashburn, VA", "US", "Ashburn, VA", "us-east", 39.05, -77.49),
    Location(5, "hil", "Hillsboro, OR", "US", "Hillsboro, OR", "us-west", 45.54, -122.95),
    Location(6, "sin", "Singapore", "SG", "Singapore", "ap-southeast", 1.28, 103.85),
)

_EUROPE = frozenset({"fsn1", "nbg1", "hel1"})
_OVERSEAS = frozenset({"ash", "hil", "sin"})
_NOWHERE: frozenset[str] = frozenset()
_ENDED = Deprecation("2025-10-16T06:00:00Z", "2025-12-31T23:59:00Z")


def _cost_optimized(number: int, name: str, cores: int, memory: float, disk: int) -> ServerType:
    return ServerType(
        number, name, "cost_optimized", cores, memory, disk, "shared", "x86", _EUROPE, _EUROPE
    )


def _ampere(number: int, name: str, cores: int, memory: float, disk: int) -> ServerType:
    return ServerType(
        number, name, "cost_optimized", cores, memory, disk, "shared", "arm", _EUROPE, _EUROPE
    )


def _regular(number: int, name: str, cores: int, memory: float, disk: int) -> ServerType:
    everywhere = _EUROPE | _OVERSEAS
    return ServerType(
        number,
        name,
        "regular_purpose",
        cores,
        memory,
        disk,
        "shared",
        "x86",
        everywhere - {"sin"},
        everywhere,
    )


def _ended(number: int, name: str, cores: int, memory: float, disk: int) -> ServerType:
    return ServerType(
        number, name, "general", cores, memory, disk, "shared", "x86", _NOWHERE, _EUROPE, _ENDED
    )


SERVER_TYPES = (
    _ended(22, "cpx11", 2, 2, 40),
    _ended(23, "cpx21", 3, 4, 80),
    _ampere(45, "cax11", 2, 4, 40),
    _ampere(93, "cax21", 4, 8, 80),
    _ampere(94, "cax31", 8, 16, 160),
    _ended(104, "cx22", 2, 4, 40),
    _ended(105, "cx32", 4, 8, 80),
    _regular(109, "cpx22", 2, 4, 80),
    _regular(110, "cpx32", 4, 8, 160),
    _cost_optimized(114, "cx23", 2, 4, 40),
    _cost_optimized(115, "cx33", 4, 8, 80),
    _cost_optimized(116, "cx43", 8, 16, 160),
    _cost_optimized(117, "cx53", 16, 32, 320),
)

IMAGES = (
    Image(114690387, "debian-12", "Debian 12", "debian", "12", "x86"),
    Image(114690389, "debian-12", "Debian 12", "debian", "12", "arm"),
    Image(161547269, "ubuntu-24.04", "Ubuntu 24.04", "ubuntu", "24.04", "x86"),
    Image(161547270, "ubuntu-24.04", "Ubuntu 24.04", "ubuntu", "24.04", "arm"),
)


def location(key: str | int) -> Location | None:
    """The location with this id or name."""
    return next((entry for entry in LOCATIONS if str(key) in (str(entry.id), entry.name)), None)


def server_type(key: str | int) -> ServerType | None:
    """The server type with this id or name."""
    return next((entry for entry in SERVER_TYPES if str(key) in (str(entry.id), entry.name)), None)


def image(image_id: int) -> Image:
    """The image with this id. Raises LookupError if there is none."""
    try:
        return next(entry for entry in IMAGES if entry.id == image_id)
    except StopIteration:
        raise LookupError(f"no image {image_id}") from None
