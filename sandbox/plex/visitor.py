"""Who asks, as Plex sees it: by address first, and by token once it has an owner."""

from __future__ import annotations

import ipaddress
import secrets

from starlette.requests import Request

# Not `is_private`, which also takes the addresses for examples, the sandbox's internet, for private.
_LOCAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)
_FORWARDED = ("x-forwarded-for", "x-real-ip")


def looks_local(request: Request) -> bool:
    """Whether the visitor's address is a local one. Only a proxy on this machine can name another."""
    address = _address(_peer(request))
    named = next((v for name in _FORWARDED if (v := request.headers.get(name))), None)
    if named and address is not None and address.is_loopback:
        address = _address(named.split(",")[0])
    if address is None:
        return False
    return any(address in network for network in _LOCAL if network.version == address.version)


def is_at_the_machine(request: Request) -> bool:
    """Whether the visitor came over loopback, and by no proxy that says so."""
    address = _address(_peer(request))
    by_proxy = any(name in request.headers for name in _FORWARDED)
    return address is not None and address.is_loopback and not by_proxy


def has_token(request: Request, token: str) -> bool:
    """Whether the visitor brings the owner's token, in a header or in the URL."""
    brought = request.headers.get("x-plex-token") or request.query_params.get("X-Plex-Token") or ""
    return bool(token) and secrets.compare_digest(brought.encode(), token.encode())


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip().split("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
