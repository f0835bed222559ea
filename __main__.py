"""A Plex server on NixOS: the article, top to bottom, as one stack."""

import pulumi

from components import settings as configuration
from components import support
from components.dns import DnsRecords
from components.guard import Guard
from components.identity import SshIdentity
from components.nixos import NixosHost
from components.outputs import export
from components.server import PlexServer
from components.storage import StorageCredentials

stack = pulumi.get_stack()
settings = configuration.load()
support.say(settings.nixos_release)

# Who the stack is to its host, and how the host proves to be itself: in the installer, and for good.
deploy = SshIdentity(f"{stack}-deploy")
install_host = SshIdentity(f"{stack}-install-host")
host = SshIdentity(f"{stack}-host")

# "Choosing a server": addresses that outlive it, a firewall, and the server.
server = PlexServer(
    stack,
    settings,
    deploy_public_key=deploy.public_key,
    install_host_key=install_host.private_key,
)
records = DnsRecords(stack, settings, ipv4=server.ipv4, ipv6=server.ipv6)

# "Setting up storage": what the host may do with the two buckets, and the password of the library's backups.
credentials = StorageCredentials(
    stack, settings, opts=pulumi.ResourceOptions(protect=settings.protect)
)

# An installation may fail, and what there is by then is protected too.
cloud = Guard(
    f"{stack}-cloud",
    settings,
    after=[deploy, install_host, host, server, records, credentials],
)

# "Setting up NixOS", "Configuring Plex" and "Configuring nginx": nix/ has the files.
nixos = NixosHost(
    stack,
    settings,
    server=server.server,
    ipv4=server.ipv4,
    deploy=deploy,
    install_host=install_host,
    host=host,
    secrets=credentials.files,
)

Guard(stack, settings, after=[cloud, nixos])
export(settings, server, records, host, credentials)
