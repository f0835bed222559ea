"""The world's network namespace: made, made right again, and taken away, by `ip` from the main one."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

from sandbox import commands
from sandbox.errors import SandboxError
from sandbox.world import addresses

# The first is where those come from who call a machine and name no address of their own.
_ADDRESSES = (
    addresses.LAPTOP,
    addresses.GATEWAY,
    addresses.METADATA,
    *addresses.RESOLVERS,
    addresses.INTERNET,
    addresses.B2,
    addresses.ACME,
    addresses.HETZNER,
)
_ADDRESSES6 = (
    f"{addresses.GATEWAY6}/64",
    f"{addresses.METADATA6}/64",
    *(f"{address}/128" for address in addresses.RESOLVERS6),
    f"{addresses.LAPTOP6}/128",
)
_SECONDS = 60.0
_MAC = "02:00:00:00:00:01"
_SETTINGS = {
    "net/ipv4/ip_forward": 1,
    "net/ipv6/conf/all/forwarding": 1,
    # One machine reaches another through the gateway, as at Hetzner, though both are on one bridge.
    "net/ipv4/conf/all/send_redirects": 0,
    f"net/ipv4/conf/{addresses.SWITCH}/send_redirects": 0,
}
# The same for IPv6, which has no such setting: a machine that followed would find nobody on the bridge.
_NO_REDIRECTS = """
table ip6 gateway {}
delete table ip6 gateway
table ip6 gateway {
  chain sent {
    type filter hook output priority filter; policy accept;
    icmpv6 type nd-redirect drop
  }
}
"""
# A computer that has br_netfilter shows the rules what crosses the bridge once more.
_ONCE = ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables")


def up(namespace: str) -> None:
    """Makes the namespace with the switch and all addresses on it; what is there already stays.

    Raises:
        SandboxError: `ip` failed; the message has what it said.
    """
    if not _is_alive(namespace):
        _forget(namespace)
        _run("ip", "netns", "add", namespace)
    switch = addresses.SWITCH
    ip = ("ip", "-n", namespace)
    _run(*ip, "link", "set", "lo", "up")
    if not _links(namespace, switch):
        # An address of its own, or it would take a machine's, and another one when that goes.
        _run(*ip, "link", "add", switch, "address", _MAC, "type", "bridge", "forward_delay", "0")
    for name, value in _SETTINGS.items():
        _inside(namespace, "sh", "-c", f"echo {value} >/proc/sys/{name}")
    for name in _ONCE:
        path = f"/proc/sys/net/bridge/{name}"
        _inside(namespace, "sh", "-c", f"[ ! -e {path} ] || echo 0 >{path}")
    _inside(namespace, "nft", _NO_REDIRECTS)
    _run(*ip, "link", "set", switch, "up")
    for address in _ADDRESSES:
        _run(*ip, "address", "replace", f"{address}/32", "dev", switch)
    for address in _ADDRESSES6:
        # Whether somebody else has the address would take a second to find out.
        _run(*ip, "address", "replace", address, "dev", switch, "nodad")
    _run(*ip, "route", "replace", addresses.MACHINES, "dev", switch, "src", addresses.LAPTOP)
    _run(*ip, "route", "replace", addresses.MACHINES6, "dev", switch, "src", addresses.LAPTOP6)


def down(namespace: str) -> None:
    """Removes the namespace and those of its machines. What still runs in them is ended at once."""
    for found in sorted(Path("/run/netns").glob(f"{namespace}*")):
        if found.name == namespace or found.name.startswith(f"{namespace}-"):
            for process in _processes(found):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            _forget(found.name)


def _processes(namespace: Path) -> list[int]:
    """Those that run there, such as a Pulumi whose caller was killed; not this one."""
    wanted, found = namespace.stat(), []
    for process in Path("/proc").glob("[0-9]*"):
        # It may end meanwhile.
        with suppress(OSError):
            if os.path.samestat((process / "ns/net").stat(), wanted):
                found.append(int(process.name))
    return [process for process in found if process != os.getpid()]


def _is_alive(namespace: str) -> bool:
    """Whether the name stands for a namespace, and is not just a file that was left behind."""
    entered = ["ip", "netns", "exec", namespace, "true"]
    return commands.run(entered, seconds=_SECONDS).returncode == 0


def _forget(namespace: str) -> None:
    if Path("/run/netns", namespace).exists():
        _run("ip", "netns", "delete", namespace)


def _links(namespace: str, name: str) -> list[object]:
    shown = json.loads(_run("ip", "-n", namespace, "-j", "link", "show"))
    return [link for link in shown if link.get("ifname") == name]


def _inside(namespace: str, *command: str) -> None:
    _run("ip", "netns", "exec", namespace, *command)


def _run(*command: str) -> str:
    done = commands.run(command, seconds=_SECONDS)
    if done.returncode != 0:
        raise SandboxError(f"{' '.join(command)} failed: {done.stderr.decode().strip()}")
    return done.stdout.decode()
