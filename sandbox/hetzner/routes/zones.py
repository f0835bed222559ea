"""/zones: DNS zones in primary mode."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import dns, labels
from ..context import answer_action, body, check_name, cloud, find, render_action
from ..errors import ApiError, invalid, protected
from ..listing import chosen, page
from ..records import Zone
from .actions import resource_routes
from .common import SORT_KEYS, Labels

KIND = "zone"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")

Ttl = Annotated[int, Field(ge=60, le=2147483647)]
"""Seconds."""


class _Create(BaseModel):
    name: str
    mode: Literal["primary", "secondary"]
    ttl: Ttl = 3600
    labels: Labels = {}


class _Change(BaseModel):
    labels: Labels | None = None


class _Ttl(BaseModel):
    ttl: Ttl


class _Protection(BaseModel):
    delete: bool


def render(zone: Zone) -> dict[str, object]:
    """A zone as clients see it."""
    return {
        "id": zone.id,
        "name": zone.name,
        "created": zone.created,
        "mode": "primary",
        "ttl": zone.ttl,
        "labels": zone.labels,
        "protection": {"delete": zone.delete_protection},
        "status": "ok",
        "record_count": sum(len(rrset.records) for rrset in zone.rrsets.values()),
        "registrar": "other",
        "primary_nameservers": [],
        "authoritative_nameservers": {
            "assigned": list(dns.NAMESERVERS),
            "delegated": list(dns.NAMESERVERS),
            "delegation_last_check": zone.created,
            "delegation_status": "valid",
        },
    }


def named(request: Request) -> Zone:
    """The zone that the path names by id or name. Raises ApiError `not_found`."""
    return find(cloud(request).state.zones, KIND, request.path_params["zone"])


async def listed(request: Request) -> Response:
    """GET /zones"""
    rows = chosen(
        request,
        cloud(request).state.zones,
        name=lambda zone: zone.name,
        labels=lambda zone: zone.labels,
    )
    if (mode := request.query_params.get("mode")) and mode != "primary":
        rows = []
    return page(request, "zones", rows, render, SORT_KEYS)


async def create(request: Request) -> Response:
    """POST /zones"""
    wanted = await body(request, _Create)
    parts = cloud(request)
    labels.check(wanted.labels)
    if not _NAME.fullmatch(wanted.name):
        raise invalid("name", f"'{wanted.name}' is not a domain name in lower case")
    if wanted.mode != "primary":
        raise ApiError("unsupported_error", "zones in secondary mode are not part of this API")
    check_name(parts.state.zones, KIND, wanted.name)
    zone = dns.new_zone(parts.state.new_id(), wanted.name, wanted.ttl, wanted.labels)
    parts.state.zones.save(zone)
    action = parts.actions.begin("create_zone", (KIND, zone.id))
    return JSONResponse({"zone": render(zone), "action": render_action(action)}, 201)


async def get(request: Request) -> Response:
    """GET /zones/{id or name}"""
    return JSONResponse({"zone": render(named(request))})


async def update(request: Request) -> Response:
    """PUT /zones/{id or name}"""
    zone = named(request)
    change = await body(request, _Change)
    if change.labels is not None:
        labels.check(change.labels)
        zone.labels = change.labels
        cloud(request).state.zones.save(zone)
    return JSONResponse({"zone": render(zone)})


async def delete(request: Request) -> Response:
    """DELETE /zones/{id or name}"""
    parts = cloud(request)
    zone = named(request)
    if zone.delete_protection:
        raise protected(KIND, "deletion")
    parts.state.zones.delete(zone.id)
    return answer_action(parts.actions.begin("delete_zone", (KIND, zone.id)))


async def change_ttl(request: Request) -> Response:
    """POST /zones/{id or name}/actions/change_ttl"""
    parts = cloud(request)
    zone = named(request)
    zone.ttl = (await body(request, _Ttl)).ttl
    dns.touch(zone)
    parts.state.zones.save(zone)
    return answer_action(parts.actions.begin("change_ttl", (KIND, zone.id)))


async def change_protection(request: Request) -> Response:
    """POST /zones/{id or name}/actions/change_protection"""
    parts = cloud(request)
    zone = named(request)
    zone.delete_protection = (await body(request, _Protection)).delete
    parts.state.zones.save(zone)
    return answer_action(parts.actions.begin("change_protection", (KIND, zone.id)))


_ONE = "/zones/{zone}"
routes = [
    Route("/zones", listed),
    Route("/zones", create, methods=["POST"]),
    *resource_routes("zones", KIND),
    Route(_ONE, get),
    Route(_ONE, update, methods=["PUT"]),
    Route(_ONE, delete, methods=["DELETE"]),
    Route(_ONE + "/actions/change_ttl", change_ttl, methods=["POST"]),
    Route(_ONE + "/actions/change_protection", change_protection, methods=["POST"]),
]
