"""/zones/{zone}/rrsets: the records of one name and type, taken together."""

from __future__ import annotations

import re

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import dns, labels
from ..context import answer_action, body, cloud, render_action
from ..errors import invalid, not_found, not_unique, protected
from ..listing import SortKey, chosen, page
from ..records import Action, Rrset, Zone, ZoneRecord
from .common import Labels
from .zones import KIND, Ttl, named

_NAME = re.compile(r"@|(?:\*|[a-z0-9_][a-z0-9_-]*)(?:\.[a-z0-9_][a-z0-9_-]*)*")

_SORT_KEYS: dict[str, SortKey[Rrset]] = {
    "id": lambda rrset: rrset.key,
    "name": lambda rrset: rrset.name,
    "type": lambda rrset: rrset.type,
}


class _Create(BaseModel):
    name: str
    type: str
    ttl: Ttl | None = None
    labels: Labels = {}
    records: list[ZoneRecord]


class _Change(BaseModel):
    labels: Labels | None = None


class _Ttl(BaseModel):
    ttl: Ttl | None


class _Records(BaseModel):
    records: list[ZoneRecord]


class _MoreRecords(_Records):
    ttl: Ttl | None = None


class _Protection(BaseModel):
    change: bool


def render(zone: Zone, rrset: Rrset) -> dict[str, object]:
    """An rrset as clients see it."""
    return {
        "id": rrset.key,
        "name": rrset.name,
        "type": rrset.type,
        "ttl": rrset.ttl,
        "labels": rrset.labels,
        "protection": {"change": rrset.change_protection},
        "records": [record.model_dump() for record in rrset.records],
        "zone": zone.id,
    }


def _named(request: Request) -> tuple[Zone, Rrset]:
    zone = named(request)
    key = f"{request.path_params['name']}/{request.path_params['type']}"
    if key not in zone.rrsets:
        raise not_found("RRSet", key)
    return zone, zone.rrsets[key]


def _changeable(request: Request) -> tuple[Zone, Rrset]:
    zone, rrset = _named(request)
    if rrset.change_protection:
        raise protected("RRSet", "change")
    return zone, rrset


def _check_new(zone: Zone, wanted: _Create) -> None:
    if wanted.type not in dns.TYPES or wanted.type == "SOA":
        raise invalid("type", f"'{wanted.type}' cannot be created")
    if not _NAME.fullmatch(wanted.name):
        raise invalid("name", f"'{wanted.name}' must be in lower case and without the zone's name")
    if f"{wanted.name}/{wanted.type}" in zone.rrsets:
        raise not_unique("name", "RRSet with this name and type already exists")
    others = {rrset.type for rrset in zone.rrsets.values() if rrset.name == wanted.name}
    if "CNAME" in others or (others and wanted.type == "CNAME"):
        raise invalid("type", f"a CNAME cannot stand beside other records of '{wanted.name}'")
    dns.check_records(wanted.type, wanted.records)
    labels.check(wanted.labels)


def _begin(request: Request, command: str, zone: Zone) -> Action:
    parts = cloud(request)
    dns.touch(zone)
    parts.state.zones.save(zone)
    return parts.actions.begin(command, (KIND, zone.id))


async def listed(request: Request) -> Response:
    """GET /zones/{zone}/rrsets"""
    zone = named(request)
    rows = chosen(
        request,
        zone.rrsets.values(),
        name=lambda rrset: rrset.name,
        labels=lambda rrset: rrset.labels,
    )
    if types := request.query_params.getlist("type"):
        rows = [row for row in rows if row.type in types]
    return page(request, "rrsets", rows, lambda rrset: render(zone, rrset), _SORT_KEYS)


async def create(request: Request) -> Response:
    """POST /zones/{zone}/rrsets"""
    zone = named(request)
    wanted = await body(request, _Create)
    _check_new(zone, wanted)
    rrset = Rrset(**wanted.model_dump())
    zone.rrsets[rrset.key] = rrset
    action = _begin(request, "create_rrset", zone)
    return JSONResponse({"rrset": render(zone, rrset), "action": render_action(action)}, 201)


async def get(request: Request) -> Response:
    """GET /zones/{zone}/rrsets/{name}/{type}"""
    return JSONResponse({"rrset": render(*_named(request))})


async def update(request: Request) -> Response:
    """PUT /zones/{zone}/rrsets/{name}/{type}"""
    zone, rrset = _named(request)
    change = await body(request, _Change)
    if change.labels is not None:
        labels.check(change.labels)
        rrset.labels = change.labels
        cloud(request).state.zones.save(zone)
    return JSONResponse({"rrset": render(zone, rrset)})


async def delete(request: Request) -> Response:
    """DELETE /zones/{zone}/rrsets/{name}/{type}"""
    zone, rrset = _changeable(request)
    if rrset.type == "SOA":
        raise invalid("type", "the SOA of a zone cannot be deleted")
    del zone.rrsets[rrset.key]
    return answer_action(_begin(request, "delete_rrset", zone))


async def change_ttl(request: Request) -> Response:
    """POST …/actions/change_ttl; null is the zone's default."""
    zone, rrset = _changeable(request)
    rrset.ttl = (await body(request, _Ttl)).ttl
    return answer_action(_begin(request, "change_rrset_ttl", zone))


async def change_protection(request: Request) -> Response:
    """POST …/actions/change_protection"""
    zone, rrset = _named(request)
    rrset.change_protection = (await body(request, _Protection)).change
    return answer_action(_begin(request, "change_rrset_protection", zone))


async def set_records(request: Request) -> Response:
    """POST …/actions/set_records"""
    zone, rrset = _changeable(request)
    wanted = (await body(request, _Records)).records
    dns.check_records(rrset.type, wanted)
    rrset.records = wanted
    return answer_action(_begin(request, "set_rrset_records", zone))


async def add_records(request: Request) -> Response:
    """POST …/actions/add_records; makes the rrset where there is none."""
    zone = named(request)
    wanted = await body(request, _MoreRecords)
    name, kind = request.path_params["name"], request.path_params["type"]
    if f"{name}/{kind}" in zone.rrsets:
        _, rrset = _changeable(request)
        records = [*rrset.records, *wanted.records]
        dns.check_records(kind, records)
        rrset.records = records
    else:
        new = _Create(name=name, type=kind, ttl=wanted.ttl, records=wanted.records)
        _check_new(zone, new)
        zone.rrsets[f"{name}/{kind}"] = Rrset(**new.model_dump())
    return answer_action(_begin(request, "add_rrset_records", zone))


async def remove_records(request: Request) -> Response:
    """POST …/actions/remove_records; the rrset goes with its last record."""
    zone, rrset = _changeable(request)
    values = {record.value for record in (await body(request, _Records)).records}
    if missing := values - {record.value for record in rrset.records}:
        raise invalid("records", f"not in the RRSet: {', '.join(sorted(missing))}")
    rrset.records = [record for record in rrset.records if record.value not in values]
    if not rrset.records:
        del zone.rrsets[rrset.key]
    return answer_action(_begin(request, "remove_rrset_records", zone))


_ALL = "/zones/{zone}/rrsets"
_ONE = _ALL + "/{name}/{type}"
_ACTIONS = _ONE + "/actions/"
routes = [
    Route(_ALL, listed),
    Route(_ALL, create, methods=["POST"]),
    Route(_ONE, get),
    Route(_ONE, update, methods=["PUT"]),
    Route(_ONE, delete, methods=["DELETE"]),
    Route(_ACTIONS + "change_ttl", change_ttl, methods=["POST"]),
    Route(_ACTIONS + "change_protection", change_protection, methods=["POST"]),
    Route(_ACTIONS + "set_records", set_records, methods=["POST"]),
    Route(_ACTIONS + "add_records", add_records, methods=["POST"]),
    Route(_ACTIONS + "remove_records", remove_records, methods=["POST"]),
]
