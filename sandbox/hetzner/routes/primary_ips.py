"""/primary_ips: addresses that outlive the servers they are assigned to."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import catalogue, labels
from ..addresses import allocate, pointers
from ..context import Cloud, body, check_name, cloud, find, render_action
from ..errors import ApiError, invalid, not_found
from ..records import Action, AddressType, PrimaryIp, Server
from ..state import State
from .catalogue import render_location
from .common import Key, Labels, Name
from .rdns import Pointer, check_pointer
from .resource import Change, Kind, check_unprotected, protection


class _Create(BaseModel):
    name: Name
    type: AddressType
    location: Key | None = None
    labels: Labels = {}
    auto_delete: bool = False
    assignee_id: int | None = None
    assignee_type: Literal["server"] | None = None


class _Change(Change):
    auto_delete: bool | None = None


class _Assign(BaseModel):
    assignee_id: int
    assignee_type: Literal["server"]


def _render(_parts: Cloud, ip: PrimaryIp) -> dict[str, object]:
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
        "assignee_type": "unassigned" if ip.assignee_id is None else "server",
        "auto_delete": ip.auto_delete,
        "blocked": False,
        "protection": {"delete": ip.delete_protection},
        "created": ip.created,
    }


KIND = Kind("primary_ip", "primary IP", lambda state: state.primary_ips, _render)


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


def _stopped(parts: Cloud, server_id: int) -> Server:
    server = find(parts.state.machines, "server", server_id)
    parts.actions.check_unlocked("server", server.id)
    if parts.power.status(server) != "off":
        raise ApiError("server_not_stopped", "server must be powered off")
    return server


def _assignable(parts: Cloud, ip_type: AddressType, server_id: int) -> Server:
    server = _stopped(parts, server_id)
    if parts.state.ip_of(server.id, ip_type):
        raise ApiError(f"server_has_{ip_type}", f"server already has an {ip_type} address")
    return server


async def create(request: Request) -> Response:
    """POST /primary_ips"""
    wanted = await body(request, _Create)
    parts = cloud(request)
    labels.check(wanted.labels)
    check_name(parts.state.primary_ips, KIND.title, wanted.name)
    location = _location(parts, wanted)
    parts.check_room(primary_ips=1)
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
    action = parts.actions.begin("create_primary_ip", (KIND.name, ip.id))
    return KIND.answer(parts, ip, 201, action=render_action(action))


def _location(parts: Cloud, wanted: _Create) -> str:
    if wanted.assignee_id is not None:
        if wanted.assignee_type is None:
            raise invalid("assignee_type", "is required with an assignee_id")
        if wanted.location is not None:
            raise invalid("location", "must be left out with an assignee_id")
        return _assignable(parts, wanted.type, wanted.assignee_id).location
    if wanted.location is None:
        raise invalid("location", "is required without an assignee_id")
    location = catalogue.location(wanted.location)
    if location is None:
        raise not_found("location", wanted.location)
    return location.name


def _changing(ip: PrimaryIp, change: _Change) -> None:
    if change.auto_delete is not None:
        _check_either(change.auto_delete, ip.delete_protection)
        ip.auto_delete = change.auto_delete


def _check_either(auto_delete: bool, delete_protection: bool) -> None:
    if auto_delete and delete_protection:
        raise invalid("auto_delete", "what is protected against deletion cannot be deleted along")


def _protectable(ip: PrimaryIp, wanted: bool) -> None:
    _check_either(ip.auto_delete, wanted)


def _remove(parts: Cloud, ip: PrimaryIp) -> None:
    check_unprotected(KIND, ip)
    if ip.assignee_id is not None:
        raise ApiError("must_be_unassigned", "primary IP must be unassigned first")
    parts.state.primary_ips.delete(ip.id)


def _begin_assignment(parts: Cloud, command: str, ip: PrimaryIp, to: int | None) -> Action:
    async def act() -> None:
        ip.assignee_id = to
        parts.state.primary_ips.save(ip)

    servers = [("server", number) for number in {ip.assignee_id, to} if number is not None]
    return parts.actions.begin(command, (KIND.name, ip.id), *servers, act=act)


async def assign(request: Request, parts: Cloud, ip: PrimaryIp) -> Action:
    wanted = await body(request, _Assign)
    if ip.assignee_id is not None:
        raise ApiError("primary_ip_already_assigned", "primary IP is already assigned")
    server = _assignable(parts, ip.type, wanted.assignee_id)
    if server.location != ip.location:
        raise ApiError("primary_ip_datacenter_mismatch", "primary IP is in another location")
    return _begin_assignment(parts, "assign_primary_ip", ip, server.id)


async def unassign(_request: Request, parts: Cloud, ip: PrimaryIp) -> Action:
    if ip.assignee_id is not None:
        _stopped(parts, ip.assignee_id)
    return _begin_assignment(parts, "unassign_primary_ip", ip, None)


async def change_dns_ptr(request: Request, parts: Cloud, ip: PrimaryIp) -> Action:
    act = check_pointer(parts.state, [ip], await body(request, Pointer))
    return parts.actions.begin("change_dns_ptr", (KIND.name, ip.id), act=act)


routes = [
    Route("/primary_ips", create, methods=["POST"]),
    *KIND.routes(
        _remove,
        filters={"ip": lambda _parts, ip: [ip.ip, ip.ip.removesuffix("/64")]},
        change=_Change,
        changing=_changing,
        commands=(assign, unassign, change_dns_ptr, protection(KIND, _protectable)),
    ),
]
