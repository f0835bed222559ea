"""Everything the API knows, kept in one directory; and what the world around it asks of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from . import catalogue, dns
from .addresses import covers, pointers
from .machines import FirewallRule, MachineSpec
from .records import Action, Firewall, PrimaryIp, Rule, Server, SshKey, Zone
from .store import Collection, Names, write

_FIRST_ID = 10_001


class State:
    """The state of one project, read from and written to a directory.

    It belongs to one event loop; other threads may read. `zones` are made when the directory is
    new, as if their owner had created them before; later they are ignored.
    """

    def __init__(self, directory: Path, *, zones: Iterable[str] = ()) -> None:
        self._directory = directory
        self._counter = directory / "next-id.json"
        new = not self._counter.exists()
        self.ssh_keys = Names(directory / "ssh_keys", SshKey)
        self.primary_ips = Names(directory / "primary_ips", PrimaryIp)
        self.firewalls = Names(directory / "firewalls", Firewall)
        self.machines = Names(directory / "servers", Server)
        self.zones = Names(directory / "zones", Zone)
        self.actions = Collection(directory / "actions", Action)
        if new:
            for name in zones:
                self.zones.save(dns.new_zone(self.new_id(), name))

    def new_id(self) -> int:
        """An id that no object of any kind has or had."""
        number = json.loads(self._counter.read_bytes()) if self._counter.exists() else _FIRST_ID
        write(self._counter, str(number + 1))
        return int(number)

    def ip_of(self, server_id: int, kind: str) -> PrimaryIp | None:
        """The primary IP of this type that is assigned to a server."""
        found = (ip for ip in self.primary_ips if ip.assignee_id == server_id and ip.type == kind)
        return next(found, None)

    def spec(self, server: Server) -> MachineSpec:
        """What a server's machine is made of."""
        image = catalogue.image(server.image_id)
        ipv4, ipv6 = self.ip_of(server.id, "ipv4"), self.ip_of(server.id, "ipv6")
        return MachineSpec(
            server_id=server.id,
            name=server.name,
            image=image.name,
            user_data=server.user_data,
            ssh_keys=tuple(server.public_keys),
            ipv4=ipv4.ip if ipv4 else None,
            ipv6_network=ipv6.ip if ipv6 else None,
            mac=mac(server.id),
            disk_gigabytes=server.disk_gigabytes,
        )

    def servers(self) -> tuple[MachineSpec, ...]:
        """All servers that exist, for the metadata service and DHCP."""
        return tuple(self.spec(server) for server in self.machines)

    def records(self, name: str, rtype: str) -> tuple[str, ...]:
        """The values of one rrset, by its full name in lower case without the final dot."""
        return next(
            (values for zone in self.zones if (values := dns.values(zone, name, rtype))), ()
        )

    def pointer(self, address: str) -> str | None:
        """The name that an address points back to, without the final dot."""
        text = str(ip_address(address))
        for ip in self.primary_ips:
            if covers(ip, text):
                names = {str(entry["ip"]): str(entry["dns_ptr"]) for entry in pointers(ip)}
                return names.get(text)
        return None

    def firewall_rules(self, server_id: int) -> tuple[FirewallRule, ...] | None:
        """The rules in force for a server; None if no firewall is applied to it."""
        applied = [firewall for firewall in self.firewalls if server_id in firewall.servers]
        if not applied:
            return None
        return tuple(_enforced(rule) for firewall in applied for rule in firewall.rules)


def mac(server_id: int) -> str:
    """The address of a server's network card, made of its id."""
    octets = server_id.to_bytes(4, "big")
    return ":".join(f"{octet:02x}" for octet in b"\x96\x00" + octets)


def _enforced(rule: Rule) -> FirewallRule:
    networks = rule.source_ips if rule.direction == "in" else rule.destination_ips
    return FirewallRule(rule.direction, rule.protocol, rule.port, tuple(networks))
