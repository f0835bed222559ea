"""/firewalls: rules, and the servers that they are applied to.

The API keeps the rules; the machines enforce them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import labels, rules
from ..context import Cloud, body, check_name, cloud, render_action
from ..errors import ApiError
from ..records import Action, Firewall, Rule
from .common import Labels, Name
from .resource import Kind

_MOST_OF_A_SERVER = 5

Rules = Annotated[list[Rule], Field(max_length=50)]


class _Reference(BaseModel):
    id: int


class _Target(BaseModel):
    type: str
    server: _Reference | None = None


class _Create(BaseModel):
    name: Name
    labels: Labels = {}
    rules: Rules = []
    apply_to: list[_Target] = []


class _SetRules(BaseModel):
    rules: Rules


class _Apply(BaseModel):
    apply_to: list[_Target]


class _Remove(BaseModel):
    remove_from: list[_Target]


def _render(_parts: Cloud, firewall: Firewall) -> dict[str, object]:
    return {
        "id": firewall.id,
        "name": firewall.name,
        "labels": firewall.labels,
        "created": firewall.created,
        "rules": [rule.model_dump() for rule in firewall.rules],
        "applied_to": [
            {
                "type": "server",
                "server": {"id": number},
                "label_selector": None,
                "applied_to_resources": None,
            }
            for number in firewall.servers
        ],
    }


KIND = Kind("firewall", "firewall", lambda state: state.firewalls, _render)


def _change(
    parts: Cloud, firewall: Firewall, server_id: int, command: str, change: Callable[[], None]
) -> Action:
    """Change what applies to a server, and bring its machine under the rules that then do."""

    async def act() -> None:
        server = parts.state.machines.get(server_id)
        if server is None:
            raise RuntimeError(f"server {server_id} is gone")
        change()
        parts.state.firewalls.save(firewall)
        # A machine that was not made yet gets its rules when it is.
        if server.has_disk:
            await parts.machines.firewall(server_id, parts.state.firewall_rules(server_id))

    return parts.actions.begin(command, (KIND.name, firewall.id), ("server", server_id), act=act)


def _server_ids(parts: Cloud, targets: Sequence[_Target]) -> list[int]:
    ids: list[int] = []
    for target in targets:
        if target.type != "server":
            raise ApiError("unsupported_error", f"resources of type '{target.type}'")
        if target.server is None or parts.state.machines.get(target.server.id) is None:
            raise ApiError("firewall_resource_not_found", "server was not found")
        if target.server.id in ids:
            raise ApiError("server_already_added", "server was named more than once")
        ids.append(target.server.id)
    return ids


def check_number(applied: int) -> None:
    """Refuse more firewalls than a server can have. Raises ApiError."""
    if applied > _MOST_OF_A_SERVER:
        message = f"a server has at most {_MOST_OF_A_SERVER} firewalls"
        raise ApiError("resource_limit_exceeded", message)


def _apply(parts: Cloud, firewall: Firewall, ids: Sequence[int]) -> list[Action]:
    if any(number in firewall.servers for number in ids):
        raise ApiError("firewall_already_applied", "firewall is already applied to the server")
    for number in ids:
        check_number(1 + sum(number in other.servers for other in parts.state.firewalls))

    def begin(number: int) -> Action:
        def change() -> None:
            firewall.servers = [*firewall.servers, number]

        return _change(parts, firewall, number, "apply_firewall", change)

    return [begin(number) for number in ids]


async def create(request: Request) -> Response:
    """POST /firewalls"""
    wanted = await body(request, _Create)
    parts = cloud(request)
    labels.check(wanted.labels)
    rules.check(wanted.rules)
    ids = _server_ids(parts, wanted.apply_to)
    check_name(parts.state.firewalls, KIND.title, wanted.name)
    firewall = Firewall(
        id=parts.state.new_id(), name=wanted.name, labels=wanted.labels, rules=wanted.rules
    )
    parts.state.firewalls.save(firewall)
    actions = [parts.actions.begin("set_firewall_rules", (KIND.name, firewall.id))]
    actions += _apply(parts, firewall, ids)
    rendered = [render_action(action) for action in actions]
    return KIND.answer(parts, firewall, 201, actions=rendered)


def _remove(parts: Cloud, firewall: Firewall) -> None:
    if firewall.servers:
        raise ApiError("resource_in_use", "firewall is still applied to a resource")
    parts.state.firewalls.delete(firewall.id)


async def set_rules(request: Request, parts: Cloud, firewall: Firewall) -> list[Action]:
    wanted = (await body(request, _SetRules)).rules
    rules.check(wanted)

    def change() -> None:
        firewall.rules = wanted

    async def act() -> None:
        change()
        parts.state.firewalls.save(firewall)

    actions = [parts.actions.begin("set_firewall_rules", (KIND.name, firewall.id), act=act)]
    for number in firewall.servers:
        actions.append(_change(parts, firewall, number, "apply_firewall", change))
    return actions


async def apply_to_resources(request: Request, parts: Cloud, firewall: Firewall) -> list[Action]:
    ids = _server_ids(parts, (await body(request, _Apply)).apply_to)
    return _apply(parts, firewall, ids)


async def remove_from_resources(request: Request, parts: Cloud, firewall: Firewall) -> list[Action]:
    """What the firewall is not applied to is passed over."""

    def begin(number: int) -> Action:
        def change() -> None:
            firewall.servers = [each for each in firewall.servers if each != number]

        return _change(parts, firewall, number, "remove_firewall", change)

    ids = _server_ids(parts, (await body(request, _Remove)).remove_from)
    return [begin(number) for number in ids if number in firewall.servers]


routes = [
    Route("/firewalls", create, methods=["POST"]),
    *KIND.routes(_remove, commands=(set_rules, apply_to_resources, remove_from_resources)),
]
