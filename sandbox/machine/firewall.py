"""The cloud's firewall, in the world's namespace, where no machine can reach it.

The rules are stateful and hold between a machine and the world as well as between two machines: the bridge
passes nothing from one port to another, so that two machines meet at the gateway, which is in this namespace.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from sandbox.hetzner.machines import FirewallRule, MachineSpec
from sandbox.machine.run import run

# Hetzner's own traffic with a server is not the firewall's business: neighbours, DHCP, and metadata.
_INBOUND = """
    ct state established,related accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
    udp sport 67 udp dport 68 accept
"""
_OUTBOUND = """
    ct state established,related accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept
    udp sport 68 udp dport 67 accept
    ip daddr 169.254.169.254 accept
"""


async def apply(world: str, spec: MachineSpec, rules: tuple[FirewallRule, ...] | None) -> None:
    """Replace what is in force for one machine; None lets everything pass."""
    await _nft(world, ruleset(spec, rules))


async def remove(world: str, server_id: int) -> None:
    """Remove a machine's table, if there is one."""
    await _nft(world, _gone(server_id))


def ruleset(spec: MachineSpec, rules: tuple[FirewallRule, ...] | None) -> str:
    """What nft is given, in one transaction."""
    gone = _gone(spec.server_id)
    if rules is None:
        return gone
    to, by = _jumps(spec, "daddr", "inbound"), _jumps(spec, "saddr", "outbound")
    inbound = _lines(rules, "in", "saddr")
    outbound = _lines(rules, "out", "daddr")
    # Without a rule for it, everything goes out.
    closed = "drop" if outbound else "accept"
    return f"""{gone}
table inet m{spec.server_id} {{
  chain inbound {{{_INBOUND}{inbound}    drop
  }}
  chain outbound {{{_OUTBOUND}{outbound}    {closed}
  }}
  chain to {{
    type filter hook output priority filter; policy accept;
{to}  }}
  chain from {{
    type filter hook input priority filter; policy accept;
{by}  }}
  chain between {{
    type filter hook forward priority filter; policy accept;
{by}{to}  }}
}}
"""


def _gone(server_id: int) -> str:
    return f"table inet m{server_id} {{}}\ndelete table inet m{server_id}\n"


def _jumps(spec: MachineSpec, side: str, chain: str) -> str:
    lines = ""
    if spec.ipv4 is not None:
        lines += f"    ip {side} {spec.ipv4} jump {chain}\n"
    if spec.ipv6_network is not None:
        lines += f"    ip6 {side} {spec.ipv6_network} jump {chain}\n"
    return lines


def _lines(rules: Iterable[FirewallRule], direction: str, side: str) -> str:
    return "".join(
        f"    {family} {side} {{ {', '.join(networks)} }} {match} accept\n"
        for rule in rules
        if rule.direction == direction
        for family, networks, match in _parts(rule)
    )


def _parts(rule: FirewallRule) -> Iterable[tuple[str, list[str], str]]:
    for version, family, icmp in ((4, "ip", 1), (6, "ip6", 58)):
        networks = _of_version(rule.networks, version)
        if not networks:
            continue
        if rule.protocol in ("tcp", "udp"):
            ports = "0-65535" if rule.port in (None, "any") else rule.port
            yield family, networks, f"{rule.protocol} dport {ports}"
        else:
            # By number: a computer may have no /etc/protocols.
            number = {"icmp": icmp, "esp": 50, "gre": 47}[rule.protocol]
            yield family, networks, f"meta l4proto {number}"


def _of_version(networks: Iterable[str], version: int) -> list[str]:
    # A set of nft's refuses networks that overlap.
    found = [ipaddress.ip_network(network, strict=False) for network in networks]
    if version == 4:
        fours = [each for each in found if isinstance(each, ipaddress.IPv4Network)]
        return [str(each) for each in ipaddress.collapse_addresses(fours)]
    sixes = [each for each in found if isinstance(each, ipaddress.IPv6Network)]
    return [str(each) for each in ipaddress.collapse_addresses(sixes)]


async def _nft(world: str, text: str) -> None:
    await run("nsenter", f"--net=/run/netns/{world}", "nft", "--file", "-", stdin=text)
