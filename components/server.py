"""The server at Hetzner: addresses, firewall, SSH key, the server itself, its names in reverse DNS."""

from __future__ import annotations

import pulumi
import pulumi_hcloud as hcloud

from components import catalogue, completion, hetzner, orphans
from components.payload import installer_file
from components.pins import Pin
from components.ports import EVERYWHERE, SSH, Port, open_ports
from components.rendering import NIX, render
from components.settings import Settings

IMAGE = "ubuntu-24.04"  # what the installer is known to start from; replaced by NixOS at once


class PlexServer(pulumi.ComponentResource):
    """A server with addresses that outlive it.

    Args:
        name: the stack's name, which its resources at Hetzner begin with.
        settings: the stack's configuration.
        deploy_public_key: who may enter the installer.
        install_host_key: the installer's host key; the server's user data holds it.
    """

    ipv4: pulumi.Output[str]
    ipv6: pulumi.Output[str]
    server: hcloud.Server

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        deploy_public_key: pulumi.Input[str],
        install_host_key: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("plex-on-nixos:index:PlexServer", name, None, opts)
        labels = hetzner.labels(name)
        look_up = orphans.hook("server", name)
        hooks = pulumi.ResourceHookBinding(before_create=[look_up])

        def address(kind: str) -> hcloud.PrimaryIp:
            return hcloud.PrimaryIp(
                f"{name}-{kind}",
                type=kind,
                location=settings.location,
                auto_delete=False,
                delete_protection=settings.protect,
                labels=labels,
                opts=pulumi.ResourceOptions(
                    # As with the server below: a new location would mean new addresses.
                    parent=self,
                    protect=settings.protect,
                    ignore_changes=["location"],
                    delete_before_replace=True,
                    hooks=hooks,
                ),
            )

        ipv4, ipv6 = address("ipv4"), address("ipv6")
        child = pulumi.ResourceOptions(parent=self, delete_before_replace=True, hooks=hooks)
        firewall = hcloud.Firewall(
            name,
            rules=[
                _rule(port, settings)
                for port in open_ports(lan=settings.plex_lan_ports, http3=settings.http3)
            ],
            labels=labels,
            opts=child,
        )
        key = hcloud.SshKey(name, public_key=deploy_public_key, labels=labels, opts=child)
        self.server = hcloud.Server(
            name,
            image=IMAGE,
            server_type=settings.server_type,
            location=settings.location,
            ssh_keys=[key.id],
            user_data=pulumi.Output.all(install_host_key).apply(
                lambda values: user_data(values[0], settings.pinned.installer)
            ),
            public_nets=[
                hcloud.ServerPublicNetArgs(
                    ipv4_enabled=True,
                    ipv4=ipv4.id.apply(int),
                    ipv6_enabled=True,
                    ipv6=ipv6.id.apply(int),
                )
            ],
            firewall_ids=[firewall.id.apply(int)],
            backups=settings.backups,
            delete_protection=settings.protect,
            rebuild_protection=settings.protect,
            labels=labels,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=settings.protect,
                # Each of these would replace the server, and none matters to one that is installed.
                ignore_changes=["image", "userData", "sshKeys", "location"],
                delete_before_replace=True,
                hooks=pulumi.ResourceHookBinding.merge(
                    catalogue.hooks(settings),
                    pulumi.ResourceHookBinding(
                        before_create=[look_up], before_update=[completion.hook()]
                    ),
                ),
            ),
        )
        self.ipv4 = ipv4.ip_address
        self.ipv6 = ipv6.ip_address.apply(lambda network: f"{network}1")
        for kind, ip, text in (("ipv4", ipv4, self.ipv4), ("ipv6", ipv6, self.ipv6)):
            hcloud.Rdns(
                f"{name}-{kind}",
                primary_ip_id=ip.id.apply(int),
                ip_address=text,
                dns_ptr=settings.domain,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({"ipv4": self.ipv4, "ipv6": self.ipv6})


def _rule(port: Port, settings: Settings) -> hcloud.FirewallRuleArgs:
    return hcloud.FirewallRuleArgs(
        direction="in",
        protocol=port.protocol,
        port=None if port.number is None else str(port.number),
        source_ips=list(settings.ssh_networks if port is SSH else EVERYWHERE),
        description=port.purpose,
    )


def user_data(install_host_key: str, installer: Pin) -> str:
    """What cloud-init does on the new server: close SSH, fetch the installer, jump into it.

    Raises:
        ValueError: it is larger than the 32 KiB that Hetzner takes.
    """
    text = render(
        "cloud-init.yaml.j2",
        {
            "install_host_key": install_host_key,
            "installer": installer_file(installer),
            "kexec_script": (NIX / "host" / "kexec.sh").read_text(),
        },
    )
    if len(text.encode()) > 32 * 1024:
        raise ValueError("user_data is larger than 32 KiB")
    return text
