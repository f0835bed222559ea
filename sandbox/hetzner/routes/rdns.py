"""Reverse DNS, which is set through a primary IP or through the server that has it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import BaseModel

from ..addresses import canonical, covers
from ..errors import invalid
from ..records import PrimaryIp
from ..state import State

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


class Pointer(BaseModel):
    """The body of change_dns_ptr; without a name the default comes back."""

    ip: str
    dns_ptr: str | None


def set_pointer(state: State, ips: Iterable[PrimaryIp], wanted: Pointer) -> None:
    """Set the name of an address that belongs to one of these primary IPs. Raises ApiError."""
    address = canonical(wanted.ip, "ip")
    ip = next((ip for ip in ips if covers(ip, address)), None)
    if ip is None:
        raise invalid("ip", f"'{wanted.ip}' does not belong to this resource")
    if not wanted.dns_ptr:
        ip.pointers.pop(address, None)
    elif _HOST_NAME.fullmatch(wanted.dns_ptr):
        ip.pointers[address] = wanted.dns_ptr
    else:
        raise invalid("dns_ptr", f"'{wanted.dns_ptr}' is not a host name")
    state.primary_ips.save(ip)
