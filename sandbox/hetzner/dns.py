"""Zones: what belongs to every one of them, and how names and values are read."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

from . import labels
from .errors import invalid, not_unique
from .records import Rrset, Zone, ZoneRecord

NAMESERVERS = ("hydrogen.ns.hetzner.com.", "oxygen.ns.hetzner.com.", "helium.ns.hetzner.de.")
APEX = "@"
TYPES = frozenset(
    {"A", "AAAA", "CAA", "CNAME", "DS", "HINFO", "HTTPS", "MX"}
    | {"NS", "PTR", "RP", "SOA", "SRV", "SVCB", "TLSA", "TXT"}
)
_NAME = re.compile(r"@|(?:\*|[a-z0-9_][a-z0-9_-]*)(?:\.[a-z0-9_][a-z0-9_-]*)*")
_FIRST_SERIAL = 2026010100


def new_zone(
    zone_id: int, name: str, ttl: int = 3600, zone_labels: dict[str, str] | None = None
) -> Zone:
    """A zone with the SOA and NS rrsets that it is born with."""
    zone = Zone(id=zone_id, name=name, ttl=ttl, labels=zone_labels or {})
    servers = [ZoneRecord(value=server) for server in NAMESERVERS]
    soa = ZoneRecord(value=_soa(_FIRST_SERIAL))
    for rrset in (
        Rrset(name=APEX, type="SOA", records=[soa]),
        Rrset(name=APEX, type="NS", records=servers),
    ):
        zone.rrsets[rrset.key] = rrset
    return zone


def touch(zone: Zone) -> None:
    """Raise the serial of a zone whose content has changed."""
    soa = zone.rrsets[f"{APEX}/SOA"].records[0]
    soa.value = _soa(int(soa.value.split()[2]) + 1)


def _soa(serial: int) -> str:
    return f"{NAMESERVERS[0]} dns.hetzner.com. {serial} 86400 10800 3600000 3600"


def values(zone: Zone, name: str, rtype: str) -> tuple[str, ...]:
    """The values of the rrset with this full name, or none if it is not in the zone."""
    relative = APEX if name == zone.name else name.removesuffix("." + zone.name)
    if relative == name:
        return ()
    rrset = zone.rrsets.get(f"{relative}/{rtype}")
    return tuple(record.value for record in rrset.records) if rrset else ()


def check_new(zone: Zone, rrset: Rrset) -> None:
    """Refuse an rrset that cannot be created in a zone. Raises ApiError."""
    if rrset.type not in TYPES or rrset.type == "SOA":
        raise invalid("type", f"'{rrset.type}' cannot be created")
    if not _NAME.fullmatch(rrset.name):
        raise invalid("name", f"'{rrset.name}' must be in lower case and without the zone's name")
    if rrset.key in zone.rrsets:
        raise not_unique("name", "RRSet with this name and type already exists")
    others = {other.type for other in zone.rrsets.values() if other.name == rrset.name}
    if "CNAME" in others or (others and rrset.type == "CNAME"):
        raise invalid("type", f"a CNAME cannot stand beside other records of '{rrset.name}'")
    check_records(rrset.type, rrset.records)
    labels.check(rrset.labels)


def check_records(rtype: str, records: list[ZoneRecord]) -> None:
    """Refuse values that the type cannot have. Raises ApiError."""
    if not records:
        raise invalid("records", "must have at least one record")
    if len({record.value for record in records}) < len(records):
        raise invalid("records", "must not hold the same value twice")
    if rtype in ("CNAME", "SOA") and len(records) > 1:
        raise invalid("records", f"an rrset of type {rtype} has one record")
    for record in records:
        if not _acceptable(rtype, record.value):
            raise invalid("records", f"'{record.value}' is not a valid {rtype} record")


def _acceptable(rtype: str, value: str) -> bool:
    if rtype == "TXT":
        return value.startswith('"') and value.endswith('"') and len(value) > 1
    address = {"A": IPv4Address, "AAAA": IPv6Address}.get(rtype)
    try:
        return bool(value.strip()) if address is None else bool(address(value))
    except ValueError:
        return False
