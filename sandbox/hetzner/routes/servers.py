"""/servers: listed, changed, deleted. Creation and actions have modules of their own."""

from __future__ import annotations

import re

from starlette.responses import Response

from .. import catalogue, pricing
from ..addresses import pointers
from ..context import Cloud, answer_action
from ..errors import invalid, protected
from ..records import PrimaryIp, Server
from .catalogue import render_image, render_location, render_server_type
from .resource import Change, Kind

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
        "included_traffic": pricing.traffic(server.location),
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


KIND = Kind("server", "server", lambda state: state.machines, render)


def _changing(_server: Server, change: Change) -> None:
    if change.name is not None:
        check_host_name(change.name)


def _remove(parts: Cloud, server: Server) -> Response:
    if server.delete_protection:
        raise protected(KIND.title, "deletion")
    parts.actions.check_unlocked(KIND.name, server.id)
    return answer_action(parts.power.delete(server), 200)


routes = KIND.routes(
    _remove,
    filters={"status": lambda parts, server: [parts.power.status(server)]},
    changing=_changing,
)
