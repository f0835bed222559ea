"""POST /zones/{zone}/rrsets/{name}/{type}/actions/…: records, TTL, protection."""

from __future__ import annotations

from functools import partial

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import dns
from ..context import body
from ..errors import invalid
from ..records import Rrset, Zone, ZoneRecord
from .rrsets import ONE, begin, changeable, named
from .zones import KIND, Ttl


class _Ttl(BaseModel):
    ttl: Ttl | None


class _Records(BaseModel):
    records: list[ZoneRecord]


class _MoreRecords(_Records):
    ttl: Ttl | None = None


class _Protection(BaseModel):
    change: bool


async def change_ttl(request: Request) -> Response:
    """POST …/actions/change_ttl; null is the zone's default."""
    zone, rrset = changeable(request)
    wanted = (await body(request, _Ttl)).ttl

    def change() -> None:
        rrset.ttl = wanted

    return begin(request, "change_rrset_ttl", zone, change)


async def change_protection(request: Request) -> Response:
    """POST …/actions/change_protection"""
    zone, rrset = named(request)
    wanted = (await body(request, _Protection)).change

    def change() -> None:
        rrset.change_protection = wanted

    return begin(request, "change_rrset_protection", zone, change)


async def set_records(request: Request) -> Response:
    """POST …/actions/set_records"""
    zone, rrset = changeable(request)
    wanted = (await body(request, _Records)).records
    dns.check_records(rrset.type, wanted)
    return begin(request, "set_rrset_records", zone, partial(_put, zone, rrset, wanted))


async def add_records(request: Request) -> Response:
    """POST …/actions/add_records; makes the rrset where there is none."""
    zone = KIND.of(request)
    wanted = await body(request, _MoreRecords)
    name, kind = request.path_params["name"], request.path_params["type"]
    if f"{name}/{kind}" in zone.rrsets:
        _, rrset = changeable(request)
        records = [*rrset.records, *wanted.records]
        dns.check_records(kind, records)
    else:
        records = wanted.records
        rrset = Rrset(name=name, type=kind, ttl=wanted.ttl, records=records)
        dns.check_new(zone, rrset)
    return begin(request, "add_rrset_records", zone, partial(_put, zone, rrset, records))


async def remove_records(request: Request) -> Response:
    """POST …/actions/remove_records; the rrset goes with its last record."""
    zone, rrset = changeable(request)
    values = {record.value for record in (await body(request, _Records)).records}
    if missing := values - {record.value for record in rrset.records}:
        raise invalid("records", f"not in the RRSet: {', '.join(sorted(missing))}")
    left = [record for record in rrset.records if record.value not in values]
    return begin(request, "remove_rrset_records", zone, partial(_put, zone, rrset, left))


def _put(zone: Zone, rrset: Rrset, records: list[ZoneRecord]) -> None:
    rrset.records = records
    if records:
        zone.rrsets[rrset.key] = rrset
    else:
        zone.rrsets.pop(rrset.key, None)


_COMMANDS = (change_ttl, change_protection, set_records, add_records, remove_records)
routes = [
    Route(f"{ONE}/actions/{command.__name__}", command, methods=["POST"]) for command in _COMMANDS
]
