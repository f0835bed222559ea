"""/zones/{zone}/rrsets: the records of one name and type, taken together."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import dns, labels
from ..context import answer_action, body, cloud, render_action
from ..errors import invalid, not_found, protected
from ..listing import SortKey, chosen, page
from ..records import Rrset, Zone, ZoneRecord
from .common import Labels
from .zones import KIND, Ttl

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


def named(request: Request) -> tuple[Zone, Rrset]:
    """The rrset that the path names, and its zone. Raises ApiError `not_found`."""
    zone = KIND.of(request)
    key = f"{request.path_params['name']}/{request.path_params['type']}"
    if key not in zone.rrsets:
        raise not_found("RRSet", key)
    return zone, zone.rrsets[key]


def changeable(request: Request) -> tuple[Zone, Rrset]:
    """The same, if it is not protected. Raises ApiError."""
    zone, rrset = named(request)
    if rrset.change_protection:
        raise protected("RRSet", "change")
    return zone, rrset


def begin(request: Request, command: str, zone: Zone, change: Callable[[], object]) -> Response:
    """Begin an action that changes a zone's records; the answer to its request."""
    parts = cloud(request)

    async def act() -> None:
        change()
        dns.touch(zone)
        parts.state.zones.save(zone)

    return answer_action(parts.actions.begin(command, (KIND.name, zone.id), act=act))


async def listed(request: Request) -> Response:
    """GET /zones/{zone}/rrsets"""
    zone = KIND.of(request)
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
    zone, parts = KIND.of(request), cloud(request)
    wanted = await body(request, _Create)
    rrset = Rrset(**wanted.model_dump())
    dns.check_new(zone, rrset)
    zone.rrsets[rrset.key] = rrset
    dns.touch(zone)
    parts.state.zones.save(zone)
    action = parts.actions.begin("create_rrset", (KIND.name, zone.id))
    return JSONResponse({"rrset": render(zone, rrset), "action": render_action(action)}, 201)


async def get(request: Request) -> Response:
    """GET /zones/{zone}/rrsets/{name}/{type}"""
    return JSONResponse({"rrset": render(*named(request))})


async def update(request: Request) -> Response:
    """PUT /zones/{zone}/rrsets/{name}/{type}"""
    zone, rrset = named(request)
    change = await body(request, _Change)
    if change.labels is not None:
        labels.check(change.labels)
        rrset.labels = change.labels
        cloud(request).state.zones.save(zone)
    return JSONResponse({"rrset": render(zone, rrset)})


async def delete(request: Request) -> Response:
    """DELETE /zones/{zone}/rrsets/{name}/{type}"""
    zone, rrset = changeable(request)
    if rrset.type == "SOA":
        raise invalid("type", "the SOA of a zone cannot be deleted")
    return begin(request, "delete_rrset", zone, lambda: zone.rrsets.pop(rrset.key, None))


ONE = "/zones/{id}/rrsets/{name}/{type}"
routes = [
    Route("/zones/{id}/rrsets", listed),
    Route("/zones/{id}/rrsets", create, methods=["POST"]),
    Route(ONE, get),
    Route(ONE, update, methods=["PUT"]),
    Route(ONE, delete, methods=["DELETE"]),
]
