"""POST /servers: everything is checked first, so that a refused order leaves nothing behind."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import catalogue, labels
from ..context import body, check_name, cloud, find, render_action
from ..errors import ApiError, invalid
from ..records import AddressType, Firewall, PrimaryIp, Server
from ..state import State
from . import firewalls, primary_ips
from .catalogue import not_orderable
from .common import Key, Labels, Name, UserData
from .servers import KIND, check_host_name

_DEFAULT_LOCATION = "fsn1"


class _PublicNet(BaseModel):
    enable_ipv4: bool = True
    enable_ipv6: bool = True
    ipv4: int | None = None
    ipv6: int | None = None


class _FirewallReference(BaseModel):
    firewall: int


class _Create(BaseModel):
    name: Name
    server_type: Key
    image: Key
    location: Key | None = None
    ssh_keys: list[Key] = []
    user_data: UserData = ""
    labels: Labels = {}
    firewalls: list[_FirewallReference] = []
    public_net: _PublicNet = _PublicNet()
    start_after_create: bool = True
    networks: list[int] = []
    volumes: list[int] = []
    placement_group: int | None = None


@dataclass(frozen=True)
class _Order:
    """A request that has been found good."""

    kind: catalogue.ServerType
    image: catalogue.Image
    location: str
    given: list[PrimaryIp]
    missing: list[AddressType]
    firewalls: list[Firewall]
    public_keys: list[str]


def _check(state: State, wanted: _Create) -> _Order:
    labels.check(wanted.labels)
    check_host_name(wanted.name)
    check_name(state.machines, "server", wanted.name)
    if wanted.networks or wanted.volumes or wanted.placement_group is not None:
        message = "networks, volumes and placement groups are not part of this API"
        raise ApiError("unsupported_error", message)
    firewalls.check_number(len(wanted.firewalls))
    given, missing = _addresses(state, wanted.public_net)
    kind = _server_type(wanted.server_type)
    location = _location(wanted.location, given)
    if reason := not_orderable(kind, location):
        raise reason
    keys = [find(state.ssh_keys, "SSH key", key) for key in wanted.ssh_keys]
    return _Order(
        kind=kind,
        image=fitting_image(wanted.image, kind.architecture),
        location=location,
        given=given,
        missing=missing,
        firewalls=[find(state.firewalls, "firewall", ref.firewall) for ref in wanted.firewalls],
        public_keys=[key.public_key for key in keys],
    )


def _server_type(key: Key) -> catalogue.ServerType:
    kind = catalogue.server_type(key)
    if kind is None:
        raise invalid("server_type", f"server type '{key}' not found")
    return kind


def fitting_image(key: Key, architecture: catalogue.Architecture) -> catalogue.Image:
    """The image with this id or name that such a server can start from. Raises ApiError."""
    named = [image for image in catalogue.IMAGES if str(key) in (str(image.id), image.name)]
    fitting = [image for image in named if image.architecture == architecture]
    if not fitting:
        reason = f"is not for {architecture}" if named else "not found"
        raise invalid("image", f"image '{key}' {reason}")
    return fitting[0]


def _location(key: Key | None, given: list[PrimaryIp]) -> str:
    location = catalogue.location(key or (given[0].location if given else _DEFAULT_LOCATION))
    if location is None:
        raise invalid("location", f"location '{key}' not found")
    if any(ip.location != location.name for ip in given):
        raise ApiError("primary_ip_datacenter_mismatch", "primary IP is in another location")
    return location.name


def _addresses(state: State, net: _PublicNet) -> tuple[list[PrimaryIp], list[AddressType]]:
    given: list[PrimaryIp] = []
    missing: list[AddressType] = []
    choices: list[tuple[AddressType, bool, int | None]] = [
        ("ipv4", net.enable_ipv4, net.ipv4),
        ("ipv6", net.enable_ipv6, net.ipv6),
    ]
    for kind, enabled, number in choices:
        if enabled and number is None:
            missing.append(kind)
        elif enabled and number is not None:
            given.append(_free(find(state.primary_ips, "primary IP", number), kind))
    if not given and not missing:
        raise invalid("public_net", "a server needs at least one public address here")
    return given, missing


def _free(ip: PrimaryIp, kind: AddressType) -> PrimaryIp:
    if ip.type != kind:
        raise ApiError("primary_ip_version_mismatch", f"primary IP {ip.id} is not an {kind}")
    if ip.assignee_id is not None:
        raise ApiError("primary_ip_assigned", f"primary IP {ip.id} is already assigned")
    return ip


def root_password(server: Server) -> str | None:
    """A password for root where there is no key. It opens nothing here: no machine is told of it."""
    return None if server.public_keys else secrets.token_urlsafe(15)


async def create(request: Request) -> Response:
    """POST /servers"""
    wanted = await body(request, _Create)
    parts = cloud(request)
    state = parts.state
    order = _check(state, wanted)
    parts.check_room(servers=1, primary_ips=len(order.missing))
    server = Server(
        id=state.new_id(),
        name=wanted.name,
        labels=wanted.labels,
        status="initializing",
        server_type=order.kind.name,
        disk_gigabytes=order.kind.disk,
        image_id=order.image.id,
        location=order.location,
        user_data=wanted.user_data,
        public_keys=order.public_keys,
    )
    state.machines.save(server)
    for kind in order.missing:
        order.given.append(primary_ips.new(state, kind, order.location, auto_delete=True))
    for ip in order.given:
        ip.assignee_id = server.id
        state.primary_ips.save(ip)
    for firewall in order.firewalls:
        firewall.servers.append(server.id)
        state.firewalls.save(firewall)
    action, next_actions = parts.power.create(server, start=wanted.start_after_create)
    return KIND.answer(
        parts,
        server,
        201,
        action=render_action(action),
        next_actions=[render_action(action) for action in next_actions],
        root_password=root_password(server),
    )


routes = [Route("/servers", create, methods=["POST"])]
