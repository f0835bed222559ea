"""What can be ordered: locations, server types, images. A choice of the real list, with its names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
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

    def over(self) -> bool:
        """Whether the end has come."""
        return datetime.fromisoformat(self.unavailable_after) < datetime.now(UTC)


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
    monthly: str
    """Euros without VAT: see `pricing`."""
    offered: frozenset[str]
    """Names of the locations that list it at all."""
    architecture: Architecture = "x86"
    sold_out: frozenset[str] = frozenset()
    """Those of them where it cannot be had today."""
    ends: Mapping[str, Deprecation] = field(default_factory=dict)
    """Those of them where it comes to an end."""


@dataclass(frozen=True)
class Image:
    id: int
    name: str
    description: str
    flavor: str
    version: str
    architecture: Architecture
    deprecated: str | None = None
    """Since when it is no longer meant to be used (RFC 3339)."""


LOCATIONS = (
    Location(1, "fsn1", "Falkenstein", "DE", "Falkenstein DC Park 1", "eu-central", 50.47, 12.37),
    Location(2, "nbg1", "Nuremberg", "DE", "Nuremberg DC Park 1", "eu-central", 49.45, 11.08),
    Location(3, "hel1", "Helsinki", "FI", "Helsinki DC Park 1", "eu-central", 60.17, 24.94),
    Location(4, "ash", "Ashburn, VA", "US", "Ashburn, VA", "us-east", 39.05, -77.49),
    Location(5, "hil", "Hillsboro, OR", "US", "Hillsboro, OR", "us-west", 45.54, -122.95),
    Location(6, "sin", "Singapore", "SG", "Singapore", "ap-southeast", 1.28, 103.85),
)

_EUROPE = frozenset({"fsn1", "nbg1", "hel1"})
_EVERYWHERE = _EUROPE | {"ash", "hil", "sin"}
_ENDED = dict.fromkeys(_EUROPE, Deprecation("2025-10-16T06:00:00Z", "2025-12-31T23:59:00Z"))
# No end that Hetzner has announced: one that is far, so that there is always one to be met.
_ENDING = dict.fromkeys(_EUROPE, Deprecation("2026-10-01T06:00:00Z", "2099-12-31T23:59:00Z"))

_COST, _REGULAR = "cost_optimized", "regular_purpose"
SERVER_TYPES = (
    ServerType(22, "cpx11", _REGULAR, 2, 2, 40, "4.99", _EVERYWHERE, ends=_ENDED),
    ServerType(23, "cpx21", _REGULAR, 3, 4, 80, "8.99", _EVERYWHERE, ends=_ENDED),
    ServerType(45, "cax11", _COST, 2, 4, 40, "4.49", _EUROPE, "arm"),
    ServerType(93, "cax21", _COST, 4, 8, 80, "7.99", _EUROPE, "arm"),
    ServerType(94, "cax31", _COST, 8, 16, 160, "15.99", _EUROPE, "arm", frozenset({"hel1"})),
    ServerType(104, "cx22", _COST, 2, 4, 40, "3.79", _EUROPE, ends=_ENDED),
    ServerType(105, "cx32", _COST, 4, 8, 80, "6.80", _EUROPE, ends=_ENDING),
    ServerType(109, "cpx22", _REGULAR, 2, 4, 80, "7.99", _EVERYWHERE, sold_out=frozenset({"sin"})),
    ServerType(110, "cpx32", _REGULAR, 4, 8, 160, "13.99", _EVERYWHERE),
    ServerType(114, "cx23", _COST, 2, 4, 40, "3.99", _EUROPE),
    ServerType(115, "cx33", _COST, 4, 8, 80, "6.49", _EUROPE),
    ServerType(116, "cx43", _COST, 8, 16, 160, "11.99", _EUROPE, sold_out=frozenset({"hel1"})),
    ServerType(117, "cx53", _COST, 16, 32, 320, "22.49", _EUROPE),
)

IMAGES = (
    Image(45557056, "debian-11", "Debian 11", "debian", "11", "x86", "2026-08-31T00:00:00Z"),
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


def known_type(name: str) -> ServerType:
    """The server type of a server that exists. Raises LookupError if it is not in the list."""
    found = server_type(name)
    if found is None:
        raise LookupError(f"no server type {name}")
    return found


def image(image_id: int) -> Image:
    """The image with this id. Raises LookupError if there is none."""
    try:
        return next(entry for entry in IMAGES if entry.id == image_id)
    except StopIteration:
        raise LookupError(f"no image {image_id}") from None
