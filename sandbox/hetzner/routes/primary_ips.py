"""/primary_ips: addresses that outlive the servers they are assigned to."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import catalogue, labels
from ..addresses import allocate, pointers
from ..context import answer_action, body, by_id, check_name, cloud, find, render_action
from ..errors import ApiError, invalid, not_found, protected
from ..listing import chosen, page
from ..records import AddressType, PrimaryIp, Server
from ..state import State
from .actions import resource_routes
from .catalogue import render_location
from .common import SORT_KEYS, Change, Key, Labels, Name, rename
from .rdns import Pointer, set_pointer

KIND = "primary_ip"


class _Create(BaseModel):
    name: Name
    type: AddressType
    location: Key | None = None
    labels: Labels = {}
    auto_delete: bool = False
    assignee_id: int | None = None
    assignee_type: Literal["server"] = "server"


class _Change(Change):
    auto_delete: bool | None = None


class _Assign(BaseModel):
    assignee_id: int
    assignee_type: Literal["server"] = "server"


class _Protection(BaseModel):
    delete: bool


def render(ip: PrimaryIp) -> dict[str, object]:
    """A primary IP as clients see it."""
    location = catalogue.location(ip.location)
    return {
        "id": ip.id,
        "name": ip.name,
        "type": ip.type,
        "ip": ip.ip,
        "location": render_location(location) if location else None,
        "labels": ip.labels,
        "dns_ptr": pointers(ip),
        "assignee_id": ip.assignee_id,
        "assignee_type": "server",
        "auto_delete": ip.auto_delete,
        "blocked": False,
        "protection": {"delete": ip.delete_protection},
        "created": ip.created,
    }


def new(
    state: State,
    kind: AddressType,
    location: str,
    *,
    name: str = "",
    auto_delete: bool = False,
    ip_labels: dict[str, str] | None = None,
) -> PrimaryIp:
    """A primary IP with the next free address, not yet saved."""
    number = state.new_id()
    return PrimaryIp(
        id=number,
        name=name or f"primary_ip-{number}",
        labels=ip_labels or {},
        type=kind,
        ip=allocate(kind, {ip.ip for ip in state.primary_ips}),
        location=location,
        auto_delete=auto_delete,
    )


def _stopped(request: Request, server_id: int) -> Server:
    parts = cloud(request)
    server = find(parts.state.machines, "server", server_id)
    parts.actions.check_unlocked("server", server.id)
    if parts.power.status(server) != "off":
        raise ApiError("server_not_stopped", "server must be powered off")
    return server


def _assignable(request: Request, ip_type: AddressType, server_id: int) -> Server:
    server = _stopped(request, server_id)
    if cloud(request).state.ip_of(server.id, ip_type):
        raise ApiError(f"server_has_{ip_type}", f"server already has an {ip_type} address")
    return server


async def listed(request: Request) -> Response:
    """GET /primary_ips"""
    rows = chosen(
        request,
        cloud(request).state.primary_ips,
        name=lambda ip: ip.name,
        labels=lambda ip: ip.labels,
    )
    if wanted := request.query_params.get("ip"):
        rows = [row for row in rows if wanted in (row.ip, row.ip.removesuffix("/64"))]
    return page(request, "primary_ips", rows, render, SORT_KEYS)


async def create(request: Request) -> Response:
    """POST /primary_ips"""
    wanted = await body(request, _Create)
    parts = cloud(request)
    labels.check(wanted.labels)
    check_name(parts.state.primary_ips, "primary IP", wanted.name)
    location = _location(request, wanted)
    ip = new(
        parts.state,
        wanted.type,
        location,
        name=wanted.name,
        auto_delete=wanted.auto_delete,
        ip_labels=wanted.labels,
    )
    ip.assignee_id = wanted.assignee_id
    parts.state.primary_ips.save(ip)
    action = parts.actions.begin("create_primary_ip", (KIND, ip.id))
    return JSONResponse({"primary_ip": render(ip), "action": render_action(action)}, 201)


def _location(request: Request, wanted: _Create) -> str:
    if wanted.assignee_id is not None:
        return _assignable(request, wanted.type, wanted.assignee_id).location
    if wanted.location is None:
        raise invalid("location", "is required without an assignee_id")
    location = catalogue.location(wanted.location)
    if location is None:
        raise not_found("location", wanted.location)
    return location.name


async def get(request: Request) -> Response:
    """GET /primary_ips/{id}"""
    ip = by_id(request, cloud(request).state.primary_ips, "primary IP")
    return JSONResponse({"primary_ip": render(ip)})


async def update(request: Request) -> Response:
    """PUT /primary_ips/{id}"""
    state = cloud(request).state
    ip = by_id(request, state.primary_ips, "primary IP")
    change = await body(request, _Change)
    rename(state.primary_ips, "primary IP", ip, change)
    if change.auto_delete is not None:
        ip.auto_delete = change.auto_delete
        state.primary_ips.save(ip)
    return JSONResponse({"primary_ip": render(ip)})


async def delete(request: Request) -> Response:
    """DELETE /primary_ips/{id}"""
    state = cloud(request).state
    ip = by_id(request, state.primary_ips, "primary IP")
    if ip.delete_protection:
        raise protected("primary IP", "deletion")
    if ip.assignee_id is not None:
        raise ApiError("must_be_unassigned", "primary IP must be unassigned first")
    state.primary_ips.delete(ip.id)
    return Response(status_code=204)


async def assign(request: Request) -> Response:
    """POST /primary_ips/{id}/actions/assign"""
    parts = cloud(request)
    ip = by_id(request, parts.state.primary_ips, "primary IP")
    wanted = await body(request, _Assign)
    if ip.assignee_id is not None:
        raise ApiError("primary_ip_already_assigned", "primary IP is already assigned")
    server = _assignable(request, ip.type, wanted.assignee_id)
    if server.location != ip.location:
        raise ApiError("primary_ip_datacenter_mismatch", "primary IP is in another location")
    ip.assignee_id = server.id
    parts.state.primary_ips.save(ip)
    action = parts.actions.begin("assign_primary_ip", (KIND, ip.id), ("server", server.id))
    return answer_action(action)


async def unassign(request: Request) -> Response:
    """POST /primary_ips/{id}/actions/unassign"""
    parts = cloud(request)
    ip = by_id(request, parts.state.primary_ips, "primary IP")
    if ip.assignee_id is not None:
        _stopped(request, ip.assignee_id)
    ip.assignee_id = None
    parts.state.primary_ips.save(ip)
    return answer_action(parts.actions.begin("unassign_primary_ip", (KIND, ip.id)))


async def change_dns_ptr(request: Request) -> Response:
    """POST /primary_ips/{id}/actions/change_dns_ptr"""
    parts = cloud(request)
    ip = by_id(request, parts.state.primary_ips, "primary IP")
    set_pointer(parts.state, [ip], await body(request, Pointer))
    return answer_action(parts.actions.begin("change_dns_ptr", (KIND, ip.id)))


async def change_protection(request: Request) -> Response:
    """POST /primary_ips/{id}/actions/change_protection"""
    parts = cloud(request)
    ip = by_id(request, parts.state.primary_ips, "primary IP")
    ip.delete_protection = (await body(request, _Protection)).delete
    parts.state.primary_ips.save(ip)
    return answer_action(parts.actions.begin("change_protection", (KIND, ip.id)))


_ONE = "/primary_ips/{id:int}"
routes = [
    Route("/primary_ips", listed),
    Route("/primary_ips", create, methods=["POST"]),
    Route(_ONE, get),
    Route(_ONE, update, methods=["PUT"]),
    Route(_ONE, delete, methods=["DELETE"]),
    Route(_ONE + "/actions/assign", assign, methods=["POST"]),
    Route(_ONE + "/actions/unassign", unassign, methods=["POST"]),
    Route(_ONE + "/actions/change_dns_ptr", change_dns_ptr, methods=["POST"]),
    Route(_ONE + "/actions/change_protection", change_protection, methods=["POST"]),
    *resource_routes("primary_ips", KIND),
]
