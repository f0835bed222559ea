"""What exists at Hetzner under a stack's labels, while the stack's state knows nothing of it.

A creation whose answer was lost leaves such an object behind. The next run would make another beside it,
since Pulumi gives every object a name of its own; and both cost money.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pulumi
from hcloud import APIException, Client
from hcloud.zones import Zone

from components import hetzner


class OrphanError(pulumi.RunError):
    """An object exists that is about to be made. The message names it, and the ways out."""


@dataclass(frozen=True)
class Orphan:
    """An object at Hetzner, in words; and what can be done about it."""

    what: str
    delete: str
    """The command that deletes it."""
    in_use: str = ""
    """What shows that it is no orphan of a lost answer, but belongs to something that runs."""
    import_id: str = ""
    """The ID to import it by; empty where an import does more harm than good."""


def hook(part: str, stack: str) -> pulumi.ResourceHook:
    """A hook for what a part of the stack makes at Hetzner.

    It runs before a creation, which an orphan stops. In a preview it only warns, since what is about to be
    replaced is still in place there, and looks the same. For that reason, too, whatever has this hook has to
    be deleted first where it is replaced.
    """

    def before_create(args: pulumi.ResourceHookArgs) -> None:
        with hetzner.asking(f"{args.name}: what exists already cannot be looked up") as client:
            found = find(client, args.type, args.new_inputs or {}, stack)
            message = "\n".join(_message(each, args, stack) for each in found)
        if message and pulumi.runtime.is_dry_run():
            pulumi.log.warn(
                f"{message}\n(Unless this update replaces it: then it is gone by then.)"
            )
        elif message:
            raise OrphanError(message)

    return pulumi.ResourceHook(
        f"{part}-orphans", before_create, pulumi.ResourceHookOptions(on_dry_run=True)
    )


def find(client: Client, kind: str, inputs: Mapping[str, Any], stack: str) -> Iterator[Orphan]:
    """What exists already of a resource that is about to be created.

    Args:
        kind: the resource's type, such as `hcloud:index/server:Server`.
        inputs: the resource's inputs, as a hook gets them.
        stack: the stack's name.
    """
    ours = ",".join(f"{key}={value}" for key, value in hetzner.labels(stack).items())
    match kind.rpartition(":")[2]:
        case "Server":
            for server in client.servers.get_all(label_selector=ours):
                yield Orphan(
                    _named("server", server.id, server.name, server.created),
                    f"hcloud server delete {server.id}",
                    in_use="it is protected" if hetzner.protected(server) else "",
                    # No import: it leaves out which addresses a server has, and the provider would then
                    # take them from it and delete them. And there is nothing on the server yet.
                )
        case "PrimaryIp":
            for ip in client.primary_ips.get_all(label_selector=ours):
                if ip.type == inputs["type"]:
                    yield Orphan(
                        _named(f"address {ip.ip}", ip.id, ip.name, ip.created),
                        f"hcloud primary-ip delete {ip.id}",
                        in_use=f"server {ip.assignee_id} has it" if ip.assignee_id else "",
                        import_id=str(ip.id),
                    )
        case "Firewall":
            for firewall in client.firewalls.get_all(label_selector=ours):
                yield Orphan(
                    _named("firewall", firewall.id, firewall.name, firewall.created),
                    f"hcloud firewall delete {firewall.id}",
                    in_use="a server has it" if firewall.applied_to else "",
                    import_id=str(firewall.id),
                )
        case "SshKey":
            for key in client.ssh_keys.get_all(label_selector=ours):
                yield Orphan(
                    _named("SSH key", key.id, key.name, key.created),
                    f"hcloud ssh-key delete {key.id}",
                    import_id=str(key.id),
                )
        case "ZoneRrset":
            yield from _rrset(client, inputs, hetzner.labels(stack))
        case other:
            raise ValueError(f"{other} is not looked up")


def _named(what: str, number: int | None, name: str | None, created: datetime | None) -> str:
    made = f", made {created:%Y-%m-%d %H:%M} UTC" if created else ""
    return f"the {what}, {name} (ID {number}{made})"


def _rrset(client: Client, inputs: Mapping[str, Any], ours: Mapping[str, str]) -> Iterator[Orphan]:
    zone, name, kind = inputs["zone"], inputs["name"], inputs["type"]
    try:
        found = client.zones.get_rrset(Zone(name=zone), name, kind)
    except APIException as error:
        if error.code == "not_found":
            return
        raise
    values = ", ".join(record.value for record in found.records or [])
    whose = "with" if ours.items() <= (found.labels or {}).items() else "without"
    yield Orphan(
        f"the {kind} records of {name} in {zone}: {values} ({whose} this stack's labels)",
        # Debian's hcloud knows nothing of zones.
        f"hcloud zone rrset delete {zone} {name} {kind}  # or in Hetzner's console",
        import_id=f"{zone}/{name}/{kind}",
    )


def _message(found: Orphan, args: pulumi.ResourceHookArgs, stack: str) -> str:
    head = f"Hetzner has {found.what}, which this stack's state does not know."
    otherwise = f"this stack's state was lost, or another stack named {stack} has it"
    if found.in_use:
        return (
            f"{head} It is in use: {found.in_use}. So {otherwise}. Find that state and go on with it; "
            "Plex's library may depend on what is there."
        )
    ways = [found.delete]
    if found.import_id:
        urn, project, kinds, _ = args.urn.split("::")
        parent = f"{urn}::{project}::{kinds.rpartition('$')[0]}::{stack}"
        ways.insert(
            0,
            f"pulumi import {args.type} {args.name} {found.import_id} "
            f"--parent parent={parent} --generate-code=false",
        )
    return "\n".join(
        [
            f"{head} If an earlier run made it and was never told so, run "
            f"{'this' if len(ways) == 1 else 'one of these'}, and then this again:",
            *[f"    {way}" for way in ways],
            f"But if {otherwise}, do not: Plex's library may depend on it.",
        ]
    )
