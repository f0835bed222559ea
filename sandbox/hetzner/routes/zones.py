"""/zones: DNS zones in primary mode."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import dns, labels
from ..context import Cloud, answer_action, body, check_name, cloud, render_action
from ..errors import ApiError, invalid
from ..records import Action, Zone
from .common import Labels
from .resource import Kind, check_unprotected, protection

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")

Ttl = Annotated[int, Field(ge=60, le=2147483647)]
"""Seconds."""


class _Create(BaseModel):
    name: str
    mode: Literal["primary", "secondary"]
    ttl: Ttl = 3600
    labels: Labels = {}


class _Ttl(BaseModel):
    ttl: Ttl


def _render(_parts: Cloud, zone: Zone) -> dict[str, object]:
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


KIND = Kind("zone", "zone", lambda state: state.zones, _render, by_name=True)


async def create(request: Request) -> Response:
    """POST /zones"""
    wanted = await body(request, _Create)
    parts = cloud(request)
    labels.check(wanted.labels)
    if not _NAME.fullmatch(wanted.name):
        raise invalid("name", f"'{wanted.name}' is not a domain name in lower case")
    if wanted.mode != "primary":
        raise ApiError("unsupported_error", "zones in secondary mode are not part of this API")
    check_name(parts.state.zones, KIND.title, wanted.name)
    zone = dns.new_zone(parts.state.new_id(), wanted.name, wanted.ttl, wanted.labels)
    parts.state.zones.save(zone)
    action = parts.actions.begin("create_zone", (KIND.name, zone.id))
    return KIND.answer(parts, zone, 201, action=render_action(action))


def _remove(parts: Cloud, zone: Zone) -> Response:
    check_unprotected(KIND, zone)

    async def act() -> None:
        parts.state.zones.delete(zone.id)

    return answer_action(parts.actions.begin("delete_zone", (KIND.name, zone.id), act=act))


async def change_ttl(request: Request, parts: Cloud, zone: Zone) -> Action:
    wanted = (await body(request, _Ttl)).ttl

    async def act() -> None:
        zone.ttl = wanted
        dns.touch(zone)
        parts.state.zones.save(zone)

    return parts.actions.begin("change_ttl", (KIND.name, zone.id), act=act)


routes = [
    Route("/zones", create, methods=["POST"]),
    *KIND.routes(
        _remove,
        filters={"mode": lambda _parts, _zone: ["primary"]},
        commands=(change_ttl, protection(KIND)),
    ),
]
