"""POST /servers/{id}/actions/…: power, type, backups, protection, reverse DNS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import catalogue
from ..context import Cloud, answer_action, body, cloud, render_action
from ..errors import ApiError, invalid, protected
from ..records import Action, Server
from .catalogue import not_orderable
from .common import Key, UserData
from .rdns import Pointer, check_pointer
from .server_create import fitting_image, root_password
from .servers import KIND

_BACKUP_WINDOW = "22-02"

Command = Callable[[Request, Cloud, Server], Awaitable[Action]]


class _ChangeType(BaseModel):
    server_type: Key
    upgrade_disk: bool


class _Rebuild(BaseModel):
    image: Key
    user_data: UserData | None = None


class _Protection(BaseModel):
    delete: bool | None = None
    rebuild: bool | None = None


async def poweron(_request: Request, parts: Cloud, server: Server) -> Action:
    if not any(parts.state.ip_of(server.id, kind) for kind in ("ipv4", "ipv6")):
        raise ApiError("service_error", "server needs an address to be powered on")
    return parts.power.on(server)


async def poweroff(_request: Request, parts: Cloud, server: Server) -> Action:
    return parts.power.off(server)


async def shutdown(_request: Request, parts: Cloud, server: Server) -> Action:
    return parts.power.shutdown(server)


async def reboot(_request: Request, parts: Cloud, server: Server) -> Action:
    return parts.power.reboot(server)


async def reset(_request: Request, parts: Cloud, server: Server) -> Action:
    return parts.power.reset(server)


async def change_type(request: Request, parts: Cloud, server: Server) -> Action:
    """The server must be off, and is started when its type has changed."""
    wanted = await body(request, _ChangeType)
    kind, present = (
        catalogue.server_type(wanted.server_type),
        catalogue.known_type(server.server_type),
    )
    if kind is None:
        raise invalid("server_type", f"server type '{wanted.server_type}' not found")
    if parts.power.status(server) != "off":
        raise ApiError("server_not_stopped", "server must be powered off")
    if reason := not_orderable(kind, server.location):
        raise reason
    if kind.name == present.name or kind.architecture != present.architecture:
        raise ApiError("invalid_server_type", f"cannot change from {present.name} to {kind.name}")
    if kind.disk < server.disk_gigabytes:
        raise ApiError("invalid_server_type", f"the disk of {kind.name} is too small")
    disk = kind.disk if wanted.upgrade_disk else server.disk_gigabytes
    return parts.power.change_type(server, kind.name, disk)


async def rebuild(request: Request) -> Response:
    """Number, addresses, keys and firewalls stay; without new user_data the old is used again."""
    parts, server = _unlocked(request)
    wanted = await body(request, _Rebuild)
    if server.rebuild_protection:
        raise protected("server", "rebuild")
    image = fitting_image(wanted.image, catalogue.known_type(server.server_type).architecture)
    user_data = server.user_data if wanted.user_data is None else wanted.user_data
    action = parts.power.rebuild(server, image.id, user_data)
    content = {"action": render_action(action), "root_password": root_password(server)}
    return JSONResponse(content, 201)


async def enable_backup(_request: Request, parts: Cloud, server: Server) -> Action:
    return _backups(parts, server, "enable_backup", _BACKUP_WINDOW)


async def disable_backup(_request: Request, parts: Cloud, server: Server) -> Action:
    return _backups(parts, server, "disable_backup", None)


def _backups(parts: Cloud, server: Server, command: str, window: str | None) -> Action:
    async def act() -> None:
        server.backup_window = window
        parts.state.machines.save(server)

    return parts.actions.begin(command, ("server", server.id), act=act)


async def change_protection(request: Request, parts: Cloud, server: Server) -> Action:
    """Both protections go together."""
    wanted = await body(request, _Protection)
    delete = server.delete_protection if wanted.delete is None else wanted.delete
    rebuild = server.rebuild_protection if wanted.rebuild is None else wanted.rebuild
    if delete != rebuild:
        raise invalid("rebuild", "delete and rebuild must have the same value")

    async def act() -> None:
        server.delete_protection, server.rebuild_protection = delete, rebuild
        parts.state.machines.save(server)

    return parts.actions.begin("change_protection", ("server", server.id), act=act)


async def change_dns_ptr(request: Request, parts: Cloud, server: Server) -> Action:
    assigned = [ip for ip in parts.state.primary_ips if ip.assignee_id == server.id]
    act = check_pointer(parts.state, assigned, await body(request, Pointer))
    return parts.actions.begin("change_dns_ptr", ("server", server.id), act=act)


_COMMANDS: tuple[Command, ...] = (
    poweron,
    poweroff,
    shutdown,
    reboot,
    reset,
    change_type,
    enable_backup,
    disable_backup,
    change_protection,
    change_dns_ptr,
)


def _unlocked(request: Request) -> tuple[Cloud, Server]:
    parts, server = cloud(request), KIND.of(request)
    parts.actions.check_unlocked(KIND.name, server.id)
    return parts, server


def _path(command: str) -> str:
    return f"/servers/{{id:int}}/actions/{command}"


def _route(command: Command) -> Route:
    async def endpoint(request: Request) -> Response:
        return answer_action(await command(request, *_unlocked(request)))

    return Route(_path(command.__name__), endpoint, methods=["POST"])


routes = [
    *(_route(command) for command in _COMMANDS),
    Route(_path("rebuild"), rebuild, methods=["POST"]),
]
