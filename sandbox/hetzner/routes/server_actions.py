"""POST /servers/{id}/actions/…: power, type, backups, protection, reverse DNS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import catalogue
from ..context import Cloud, answer_action, body, by_id, cloud
from ..errors import ApiError, invalid
from ..records import Action, Server
from .catalogue import not_orderable
from .common import Key
from .rdns import Pointer, set_pointer

_BACKUP_WINDOW = "22-02"

Command = Callable[[Request, Cloud, Server], Awaitable[Action]]


class _ChangeType(BaseModel):
    server_type: Key
    upgrade_disk: bool


class _Protection(BaseModel):
    delete: bool | None = None
    rebuild: bool | None = None


async def poweron(_request: Request, parts: Cloud, server: Server) -> Action:
    return parts.power.on(server)


async def poweroff(_request: Request, parts: Cloud, server: Server) -> Action:
    return parts.power.off(server)


async def shutdown(_request: Request, parts: Cloud, server: Server) -> Action:
    return parts.power.shutdown(server)


async def reboot(_request: Request, parts: Cloud, server: Server) -> Action:
    return parts.power.reset(server, "reboot_server")


async def reset(_request: Request, parts: Cloud, server: Server) -> Action:
    return parts.power.reset(server, "reset_server")


async def change_type(request: Request, parts: Cloud, server: Server) -> Action:
    """The server must be off, and is started when its type has changed."""
    wanted = await body(request, _ChangeType)
    kind, present = catalogue.server_type(wanted.server_type), server.server_type
    if kind is None:
        raise invalid("server_type", f"server type '{wanted.server_type}' not found")
    if parts.power.status(server) != "off":
        raise ApiError("server_not_stopped", "server must be powered off")
    if reason := not_orderable(kind, server.location):
        raise reason
    image = catalogue.image(server.image_id)
    if kind.name == present or kind.architecture != image.architecture:
        raise ApiError("invalid_server_type", f"cannot change from {present} to {kind.name}")
    if kind.disk < server.disk_gigabytes:
        raise ApiError("invalid_server_type", f"the disk of {kind.name} is too small")
    server.server_type = kind.name
    if wanted.upgrade_disk:
        server.disk_gigabytes = kind.disk
    return parts.power.change_type(server)


async def enable_backup(_request: Request, parts: Cloud, server: Server) -> Action:
    server.backup_window = _BACKUP_WINDOW
    parts.state.machines.save(server)
    return parts.actions.begin("enable_backup", ("server", server.id))


async def disable_backup(_request: Request, parts: Cloud, server: Server) -> Action:
    server.backup_window = None
    parts.state.machines.save(server)
    return parts.actions.begin("disable_backup", ("server", server.id))


async def change_protection(request: Request, parts: Cloud, server: Server) -> Action:
    """Both protections go together."""
    wanted = await body(request, _Protection)
    delete = server.delete_protection if wanted.delete is None else wanted.delete
    rebuild = server.rebuild_protection if wanted.rebuild is None else wanted.rebuild
    if delete != rebuild:
        raise invalid("rebuild", "delete and rebuild must have the same value")
    server.delete_protection, server.rebuild_protection = delete, rebuild
    parts.state.machines.save(server)
    return parts.actions.begin("change_protection", ("server", server.id))


async def change_dns_ptr(request: Request, parts: Cloud, server: Server) -> Action:
    assigned = [ip for ip in parts.state.primary_ips if ip.assignee_id == server.id]
    set_pointer(parts.state, assigned, await body(request, Pointer))
    return parts.actions.begin("change_dns_ptr", ("server", server.id))


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


def _route(command: Command) -> Route:
    async def endpoint(request: Request) -> Response:
        parts = cloud(request)
        server = by_id(request, parts.state.machines, "server")
        parts.actions.check_unlocked("server", server.id)
        return answer_action(await command(request, parts, server))

    path = f"/servers/{{id:int}}/actions/{command.__name__}"
    return Route(path, endpoint, methods=["POST"])


routes = [_route(command) for command in _COMMANDS]
