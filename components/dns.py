"""The domain's A and AAAA records, at Hetzner or as an output."""

from __future__ import annotations

import pulumi
import pulumi_hcloud as hcloud
from hcloud import APIException

from components import hetzner, orphans
from components.settings import Settings

TTL = 300  # seconds; short, since a name that moves should not keep people out for a day


class ZoneError(pulumi.RunError):
    """There is no such zone. The message says where it was looked for."""


class DnsRecords(pulumi.ComponentResource):
    """A and AAAA of the domain.

    `records` is empty where the zone is at Hetzner; where it is elsewhere, these are the lines to make there.
    """

    records: list[pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        ipv4: pulumi.Output[str],
        ipv6: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("plex-on-nixos:index:DnsRecords", name, None, opts)
        values = {"A": ipv4, "AAAA": ipv6}
        hooks = pulumi.ResourceHookBinding(
            before_create=[_zone_hook(settings), orphans.hook("dns", name)]
        )
        self.records = []
        if settings.dns == "hetzner":
            for kind, address in values.items():
                hcloud.ZoneRrset(
                    f"{name}-{kind.lower()}",
                    zone=settings.dns_zone,
                    name=relative(settings.domain, settings.dns_zone),
                    type=kind,
                    ttl=TTL,
                    records=[hcloud.ZoneRrsetRecordArgs(value=address)],
                    labels=hetzner.labels(name),
                    opts=pulumi.ResourceOptions(
                        parent=self, delete_before_replace=True, hooks=hooks
                    ),
                )
        else:
            self.records = [
                pulumi.Output.format("{0}. {1} IN {2} {3}", settings.domain, TTL, kind, address)
                for kind, address in values.items()
            ]
        self.register_outputs({"records": self.records})


def _zone_hook(settings: Settings) -> pulumi.ResourceHook:
    def before_create(_: pulumi.ResourceHookArgs) -> None:
        with hetzner.asking("dnsZone: cannot be looked up") as client:
            try:
                client.zones.get(settings.dns_zone)
            except APIException as error:
                if error.code != "not_found":
                    raise
                raise ZoneError(
                    f"dnsZone: {settings.dns_zone} is no zone of the project that hcloud:token belongs "
                    "to. Make it in Hetzner's console, or set dns to external."
                ) from None

    return pulumi.ResourceHook(
        "dns-zone", before_create, pulumi.ResourceHookOptions(on_dry_run=True)
    )


def relative(domain: str, zone: str) -> str:
    """A domain's name within its zone; the zone itself is `@`."""
    return "@" if domain == zone else domain.removesuffix(f".{zone}")
