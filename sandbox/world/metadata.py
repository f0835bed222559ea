"""Hetzner's metadata service: each machine is told about itself, known by the address it asks from."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Callable, Iterable

import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.hetzner.machines import MachineSpec
from sandbox.world import addresses

Servers = Callable[[], Iterable[MachineSpec]]
Part = Callable[[MachineSpec], str]


def create_app(servers: Servers) -> Starlette:
    """The service, for the servers that the function names at each question."""

    def answering(part: Part) -> Callable[[Request], object]:
        async def endpoint(request: Request) -> Response:
            visitor = request.client.host if request.client else ""
            server = await _server_at(visitor, servers())
            if server is None:
                return PlainTextResponse("not found\n", 404)
            return PlainTextResponse(part(server))

        return endpoint

    base = "/hetzner/v1"
    parts: dict[str, Part] = {
        "/metadata": _metadata,
        "/metadata/hostname": lambda server: server.name,
        "/metadata/instance-id": lambda server: str(server.server_id),
        "/metadata/public-ipv4": lambda server: server.ipv4 or "",
        "/metadata/local-ipv4": lambda _: "",
        "/metadata/public-keys": lambda server: json.dumps(list(server.ssh_keys)),
        "/metadata/network-config": lambda server: _yaml(network_config(server)),
        "/metadata/private-networks": lambda _: "[]\n",
        "/userdata": lambda server: server.user_data,
    }
    return Starlette(routes=[Route(base + path, answering(part)) for path, part in parts.items()])


def network_config(server: MachineSpec) -> dict[str, object]:
    """The machine's network in cloud-init's version 1: IPv4 by DHCP, IPv6 as it stands here."""
    subnets: list[dict[str, object]] = []
    if server.ipv4:
        subnets.append({"dns_nameservers": list(addresses.RESOLVERS), "ipv4": True, "type": "dhcp"})
    if server.ipv6_network:
        network = ipaddress.IPv6Network(server.ipv6_network)
        subnets.append(
            {
                "address": f"{network[1]}/{network.prefixlen}",
                "dns_nameservers": list(addresses.RESOLVERS6),
                "gateway": addresses.GATEWAY6,
                "ipv6": True,
                "type": "static",
            }
        )
    interface = {
        "mac_address": server.mac,
        "name": "eth0",
        "subnets": subnets,
        "type": "physical",
    }
    return {"config": [interface], "version": 1}


def _metadata(server: MachineSpec) -> str:
    return _yaml(
        {
            "hostname": server.name,
            "instance-id": server.server_id,
            "local-ipv4": "",
            "network-config": network_config(server),
            "public-ipv4": server.ipv4 or "",
            "public-keys": list(server.ssh_keys),
            "vendor_data": "",
        }
    )


def _yaml(value: object) -> str:
    return str(yaml.safe_dump(value, sort_keys=False))


async def _server_at(visitor: str, servers: Iterable[MachineSpec]) -> MachineSpec | None:
    """By IPv4 address; one that asks over its link-local IPv6 address is known by its MAC."""
    address = visitor.split("%")[0]
    mac = await _mac_of(address) if ":" in address else None
    return next(
        (one for one in servers if address == one.ipv4 or (mac is not None and mac == one.mac)),
        None,
    )


async def _mac_of(address: str) -> str | None:
    """Whom the kernel has just heard with this address."""
    asking = await asyncio.create_subprocess_exec(
        *("ip", "-j", "neighbour", "show", "to", address, "dev", addresses.SWITCH),
        stdout=asyncio.subprocess.PIPE,
    )
    shown, _ = await asking.communicate()
    return next((str(entry["lladdr"]) for entry in json.loads(shown) if "lladdr" in entry), None)
