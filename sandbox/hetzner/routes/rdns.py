"""Reverse DNS, which is set through a primary IP or through the server that has it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import BaseModel

from ..actions import Act
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


def check_pointer(state: State, ips: Iterable[PrimaryIp], wanted: Pointer) -> Act:
    """What sets the name of an address of one of these primary IPs. Raises ApiError."""
    address = canonical(wanted.ip, "ip")
    ip = next((ip for ip in ips if covers(ip, address)), None)
    if ip is None:
        raise invalid("ip", f"'{wanted.ip}' does not belong to this resource")
    if wanted.dns_ptr and not _HOST_NAME.fullmatch(wanted.dns_ptr):
        raise invalid("dns_ptr", f"'{wanted.dns_ptr}' is not a host name")

    async def act() -> None:
        if wanted.dns_ptr:
            ip.pointers[address] = wanted.dns_ptr
        else:
            ip.pointers.pop(address, None)
        state.primary_ips.save(ip)

    return act
