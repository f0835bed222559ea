"""The stack's outputs: what it decides, and nothing that the host says from day to day."""

from __future__ import annotations

import pulumi

from components.configuration import tunnel_command
from components.dns import DnsRecords
from components.identity import SshIdentity
from components.server import PlexServer
from components.settings import Settings
from components.storage import StorageCredentials


def export(
    settings: Settings,
    server: PlexServer,
    records: DnsRecords,
    host: SshIdentity,
    credentials: StorageCredentials,
) -> None:
    """Export addresses, commands for SSH, drift and Plex's first set-up, and what to do or keep by hand."""
    administrator = next(iter(settings.administrators))
    pulumi.export("url", f"https://{settings.domain}")
    pulumi.export("ipv4", server.ipv4)
    pulumi.export("ipv6", server.ipv6)
    pulumi.export("ssh", f"ssh {administrator}@{settings.domain}")
    pulumi.export("knownHosts", pulumi.Output.format("{0} {1}", settings.domain, host.public_key))
    pulumi.export("drift", f"ssh {administrator}@{settings.domain} sudo drift")
    pulumi.export("tunnel", tunnel_command(settings))
    pulumi.export("plexSetup", "http://127.0.0.1:32400/web")
    if settings.library_backup:
        pulumi.export("backupPassword", credentials.backup_password)
    if settings.dns == "external":
        pulumi.export("dnsRecords", records.records)
