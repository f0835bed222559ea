"""Addresses: where they come from, how they are written, and the names they point back to."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from .errors import ApiError, invalid
from .records import AddressType, PrimaryIp

# Both pools are set aside for documentation (RFC 5737, RFC 3849): they belong to nobody.
IPV4_POOL = IPv4Network("203.0.113.0/24")
IPV4_FIRST = 11


def allocate(kind: AddressType, taken: Collection[str]) -> str:
    """The first free IPv4 address or IPv6 /64 network. Raises ApiError if there is none left."""
    for candidate in _candidates(kind):
        if candidate not in taken:
            return candidate
    raise ApiError("resource_unavailable", f"no free {kind} address is left")


def _candidates(kind: AddressType) -> list[str]:
    if kind == "ipv4":
        return [str(address) for address in list(IPV4_POOL.hosts())[IPV4_FIRST - 1 :]]
    # One digit group apart, so that they read as 2001:db8:1::/64, 2001:db8:2::/64 and so on.
    return [f"2001:db8:{number:x}::/64" for number in range(1, 0x10000)]


def canonical(text: str, field: str) -> str:
    """An address as the API writes it. Raises ApiError for what is no address."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise invalid(field, f"'{text}' is not an IP address") from None


def covers(ip: PrimaryIp, address: str) -> bool:
    """Whether a canonical address belongs to a primary IP."""
    return ip_address(address) in ip_network(ip.ip)


def pointers(ip: PrimaryIp) -> list[dict[str, object]]:
    """The reverse DNS of a primary IP. An IPv4 address always has one, if only the default."""
    named = dict(ip.pointers)
    if ip.type == "ipv4":
        named.setdefault(ip.ip, default_pointer(ip.ip))
    return [{"ip": address, "dns_ptr": name} for address, name in named.items()]


def default_pointer(address: str) -> str:
    """The name that an IPv4 address points to until somebody sets another."""
    octets = reversed(IPv4Address(address).exploded.split("."))
    return f"static.{'.'.join(octets)}.clients.your-server.de"


def host_address(network: str) -> str:
    """The address that a host takes in its IPv6 network."""
    return str(IPv6Address(int(IPv6Network(network).network_address) + 1))
