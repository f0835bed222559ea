"""/servers: listed, changed, deleted. Creation and actions have modules of their own."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import catalogue
from ..addresses import pointers
from ..context import Cloud, answer_action, body, by_id, cloud
from ..errors import invalid, protected
from ..listing import chosen, page
from ..records import PrimaryIp, Server
from .actions import resource_routes
from .catalogue import render_image, render_location, render_server_type
from .common import SORT_KEYS, Change, rename

_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")


def render(parts: Cloud, server: Server) -> dict[str, object]:
    """A server as clients see it."""
    kind = catalogue.server_type(server.server_type)
    location = catalogue.location(server.location)
    return {
        "id": server.id,
        "name": server.name,
        "status": parts.power.status(server),
        "created": server.created,
        "public_net": _public_net(parts, server),
        "private_net": [],
        "server_type": render_server_type(kind) if kind else None,
        "location": render_location(location) if location else None,
        "image": render_image(catalogue.image(server.image_id)),
        "iso": None,
        "rescue_enabled": False,
        "locked": parts.actions.locked("server", server.id),
        "backup_window": server.backup_window,
        "outgoing_traffic": 0,
        "ingoing_traffic": 0,
        "included_traffic": 20 * 1024**4,
        "protection": {
            "delete": server.delete_protection,
            "rebuild": server.rebuild_protection,
        },
        "labels": server.labels,
        "volumes": [],
        "load_balancers": [],
        "primary_disk_size": server.disk_gigabytes,
        "placement_group": None,
    }


def _public_net(parts: Cloud, server: Server) -> dict[str, object]:
    return {
        "ipv4": _address(parts.state.ip_of(server.id, "ipv4")),
        "ipv6": _address(parts.state.ip_of(server.id, "ipv6")),
        "floating_ips": [],
        "firewalls": [
            {"id": firewall.id, "status": "applied"}
            for firewall in parts.state.firewalls
            if server.id in firewall.servers
        ],
    }


def _address(ip: PrimaryIp | None) -> dict[str, object] | None:
    if ip is None:
        return None
    names = pointers(ip)
    return {
        "id": ip.id,
        "ip": ip.ip,
        "blocked": False,
        "dns_ptr": names[0]["dns_ptr"] if ip.type == "ipv4" else names,
    }


def check_host_name(name: str) -> None:
    """Refuse a server name that is no host name. Raises ApiError."""
    if not _HOST_NAME.fullmatch(name):
        raise invalid("name", "must be a valid hostname as per RFC 1123")


async def listed(request: Request) -> Response:
    """GET /servers"""
    parts = cloud(request)
    rows = chosen(
        request,
        parts.state.machines,
        name=lambda server: server.name,
        labels=lambda server: server.labels,
    )
    if wanted := request.query_params.getlist("status"):
        rows = [row for row in rows if parts.power.status(row) in wanted]
    return page(request, "servers", rows, lambda server: render(parts, server), SORT_KEYS)


async def get(request: Request) -> Response:
    """GET /servers/{id}"""
    parts = cloud(request)
    server = by_id(request, parts.state.machines, "server")
    return JSONResponse({"server": render(parts, server)})


async def update(request: Request) -> Response:
    """PUT /servers/{id}"""
    parts = cloud(request)
    server = by_id(request, parts.state.machines, "server")
    change = await body(request, Change)
    if change.name is not None:
        check_host_name(change.name)
    rename(parts.state.machines, "server", server, change)
    return JSONResponse({"server": render(parts, server)})


async def delete(request: Request) -> Response:
    """DELETE /servers/{id}"""
    parts = cloud(request)
    server = by_id(request, parts.state.machines, "server")
    if server.delete_protection:
        raise protected("server", "deletion")
    parts.actions.check_unlocked("server", server.id)
    return answer_action(parts.power.delete(server), 200)


routes = [
    Route("/servers", listed),
    Route("/servers/{id:int}", get),
    Route("/servers/{id:int}", update, methods=["PUT"]),
    Route("/servers/{id:int}", delete, methods=["DELETE"]),
    *resource_routes("servers", "server"),
]
