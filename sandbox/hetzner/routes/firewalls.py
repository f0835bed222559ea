"""/firewalls: rules, and the servers that they are applied to.

The API keeps the rules; the machines enforce them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Annotated

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import labels
from ..context import Cloud, answer_actions, body, by_id, check_name, cloud, render_action
from ..errors import ApiError, invalid
from ..listing import chosen, page
from ..records import Action, Firewall, Rule
from .actions import resource_routes
from .common import SORT_KEYS, Change, Labels, Name, rename

KIND = "firewall"
_PORTS = re.compile(r"any|(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?")

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


def render(firewall: Firewall) -> dict[str, object]:
    """A firewall as clients see it."""
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


def check_rules(rules: Sequence[Rule]) -> None:
    """Refuse rules that the API refuses. Raises ApiError."""
    for number, rule in enumerate(rules):
        inward = rule.direction == "in"
        field = "source_ips" if inward else "destination_ips"
        networks = rule.source_ips if inward else rule.destination_ips
        other = rule.destination_ips if inward else rule.source_ips
        if not networks or other:
            raise invalid(f"rules.{number}.{field}", f"must be set, alone, for '{rule.direction}'")
        for network in networks:
            _check_network(f"rules.{number}.{field}", network)
        if not _port_fits(rule):
            raise invalid(f"rules.{number}.port", f"'{rule.port}' does not fit {rule.protocol}")


def _check_network(field: str, network: str) -> None:
    try:
        ip_network(network)
    except ValueError:
        raise invalid(field, f"'{network}' is not a network in CIDR notation") from None


def _port_fits(rule: Rule) -> bool:
    if rule.protocol not in ("tcp", "udp"):
        return rule.port is None
    found = _PORTS.fullmatch(rule.port or "")
    if not found:
        return False
    first = int(found["first"] or 1)
    return 1 <= first <= int(found["last"] or first) <= 65535


def enforce(parts: Cloud, firewall: Firewall, server_id: int, command: str) -> Action:
    """Bring a server's machine under the rules that now apply to it."""

    async def act() -> None:
        server = parts.state.machines.get(server_id)
        # A machine that was not made yet gets its rules when it is.
        if server and server.has_disk:
            await parts.machines.firewall(server_id, parts.state.firewall_rules(server_id))

    return parts.actions.begin(command, (KIND, firewall.id), ("server", server_id), act=act)


def _server_ids(parts: Cloud, targets: Sequence[_Target]) -> list[int]:
    ids = []
    for target in targets:
        if target.type != "server":
            raise ApiError("unsupported_error", f"resources of type '{target.type}'")
        if target.server is None or parts.state.machines.get(target.server.id) is None:
            raise ApiError("firewall_resource_not_found", "server was not found")
        ids.append(target.server.id)
    return ids


def _apply(parts: Cloud, firewall: Firewall, ids: Sequence[int]) -> list[Action]:
    if any(number in firewall.servers for number in ids):
        raise ApiError("firewall_already_applied", "firewall is already applied to the server")
    firewall.servers.extend(ids)
    parts.state.firewalls.save(firewall)
    return [enforce(parts, firewall, number, "apply_firewall") for number in ids]


async def listed(request: Request) -> Response:
    """GET /firewalls"""
    rows = chosen(
        request,
        cloud(request).state.firewalls,
        name=lambda firewall: firewall.name,
        labels=lambda firewall: firewall.labels,
    )
    return page(request, "firewalls", rows, render, SORT_KEYS)


async def create(request: Request) -> Response:
    """POST /firewalls"""
    wanted = await body(request, _Create)
    parts = cloud(request)
    labels.check(wanted.labels)
    check_rules(wanted.rules)
    ids = _server_ids(parts, wanted.apply_to)
    check_name(parts.state.firewalls, "firewall", wanted.name)
    firewall = Firewall(
        id=parts.state.new_id(), name=wanted.name, labels=wanted.labels, rules=wanted.rules
    )
    parts.state.firewalls.save(firewall)
    actions = [parts.actions.begin("set_firewall_rules", (KIND, firewall.id))]
    actions += _apply(parts, firewall, ids)
    rendered = [render_action(action) for action in actions]
    return JSONResponse({"firewall": render(firewall), "actions": rendered}, 201)


async def get(request: Request) -> Response:
    """GET /firewalls/{id}"""
    firewall = by_id(request, cloud(request).state.firewalls, "firewall")
    return JSONResponse({"firewall": render(firewall)})


async def update(request: Request) -> Response:
    """PUT /firewalls/{id}"""
    state = cloud(request).state
    firewall = by_id(request, state.firewalls, "firewall")
    rename(state.firewalls, "firewall", firewall, await body(request, Change))
    return JSONResponse({"firewall": render(firewall)})


async def delete(request: Request) -> Response:
    """DELETE /firewalls/{id}"""
    state = cloud(request).state
    firewall = by_id(request, state.firewalls, "firewall")
    if firewall.servers:
        raise ApiError("resource_in_use", "firewall is still applied to a resource")
    state.firewalls.delete(firewall.id)
    return Response(status_code=204)


async def set_rules(request: Request) -> Response:
    """POST /firewalls/{id}/actions/set_rules"""
    parts = cloud(request)
    firewall = by_id(request, parts.state.firewalls, "firewall")
    rules = (await body(request, _SetRules)).rules
    check_rules(rules)
    firewall.rules = rules
    parts.state.firewalls.save(firewall)
    actions = [parts.actions.begin("set_firewall_rules", (KIND, firewall.id))]
    actions += [enforce(parts, firewall, number, "apply_firewall") for number in firewall.servers]
    return answer_actions(actions)


async def apply_to_resources(request: Request) -> Response:
    """POST /firewalls/{id}/actions/apply_to_resources"""
    parts = cloud(request)
    firewall = by_id(request, parts.state.firewalls, "firewall")
    ids = _server_ids(parts, (await body(request, _Apply)).apply_to)
    return answer_actions(_apply(parts, firewall, ids))


async def remove_from_resources(request: Request) -> Response:
    """POST /firewalls/{id}/actions/remove_from_resources"""
    parts = cloud(request)
    firewall = by_id(request, parts.state.firewalls, "firewall")
    ids = _server_ids(parts, (await body(request, _Remove)).remove_from)
    if any(number not in firewall.servers for number in ids):
        raise ApiError("firewall_already_removed", "firewall is not applied to the server")
    firewall.servers = [number for number in firewall.servers if number not in ids]
    parts.state.firewalls.save(firewall)
    return answer_actions([enforce(parts, firewall, number, "remove_firewall") for number in ids])


_ONE = "/firewalls/{id:int}"
_ACTIONS = _ONE + "/actions/"
routes = [
    Route("/firewalls", listed),
    Route("/firewalls", create, methods=["POST"]),
    Route(_ONE, get),
    Route(_ONE, update, methods=["PUT"]),
    Route(_ONE, delete, methods=["DELETE"]),
    Route(_ACTIONS + "set_rules", set_rules, methods=["POST"]),
    Route(_ACTIONS + "apply_to_resources", apply_to_resources, methods=["POST"]),
    Route(_ACTIONS + "remove_from_resources", remove_from_resources, methods=["POST"]),
    *resource_routes("firewalls", KIND),
]
