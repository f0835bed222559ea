"""The rules of firewalls: what the API refuses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_network

from .errors import invalid
from .records import Rule

_PORTS = re.compile(r"any|(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?")


def check(rules: Sequence[Rule]) -> None:
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
