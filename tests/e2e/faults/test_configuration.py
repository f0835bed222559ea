"""Configurations that do harm: each is refused or taken back, and the next `pulumi up` works."""

from __future__ import annotations

import pytest

from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import Host


@fault(
    "a configuration that does not evaluate",
    "with the change",
    "`up` fails with Nix's words and the place; the host is as it was",
)
def test_a_configuration_that_does_not_evaluate(host: Host) -> None:
    before = host.system()
    host.project.edit("nix/plex.nix.j2", "openFirewall = false;", "openFirewall = flase;")
    host.up_fails("undefined variable 'flase'", "/plex.nix:", "the host is as it was")
    assert host.system() == before
    host.project.reset()


@fault(
    "a configuration with which nginx does not start",
    "with the change",
    "its health fails: `up` says why, the old generation runs, and nginx serves",
)
@pytest.mark.quick
def test_nginx_that_does_not_start(host: Host) -> None:
    before = host.system()
    host.project.edit("nix/web.nix.j2", "proxy_redirect off;", "proxy_redirect nonsense;")
    host.shorter('await 90 "nginx is active"')
    host.up_fails("invalid parameter", "failed: health: nginx is active")
    assert host.system() == before
    host.project.reset()


@fault(
    "the host's firewall closes port 22",
    "with the change",
    "healthy, but no second connection comes: `up` fails, the old generation runs, the next `up` works",
)
@pytest.mark.quick
def test_a_firewall_that_closes_ssh(host: Host) -> None:
    before = host.system()
    ports = "allowedTCPPorts = {{ tcp_ports | nix }};"
    host.project.edit("nix/firewall.nix.j2", ports, "allowedTCPPorts = [ 80 443 ];")
    host.short_trials()
    host.up_fails("no second connection came within 10 s", "back on the generation before")
    assert host.system() == before
    host.project.reset()


@fault(
    "a configuration without an IPv4 address",
    "with the change",
    "its health fails, the old generation has the network again, and `up` is told why it failed",
)
def test_a_network_that_is_broken(host: Host) -> None:
    before = host.system()
    host.project.edit(
        "nix/network.nix", 'networkConfig.DHCP = "ipv4";', 'networkConfig.DHCP = "no";'
    )
    host.shorter('await 90 "routes and an IPv6 address"')
    host.up_fails("no default route for IPv4", "back on the generation before")
    assert host.system() == before
    host.project.reset()


@fault(
    "a configuration with which Plex does not start",
    "with the change",
    "its health fails, and the old Plex runs, with the databases from before the change",
)
def test_plex_that_does_not_start(host: Host) -> None:
    before = host.system()
    broken = (
        'systemd.services.plex.serviceConfig.ExecStart = lib.mkForce "${pkgs.coreutils}/bin/false";'
    )
    host.project.module("broken", f"{{ lib, pkgs, ... }}:\n{{\n  {broken}\n}}\n")
    host.shorter('await 90 "plex is active"')
    host.up_fails("failed: health: ", "Plex's databases are those from before")
    assert host.system() == before
    host.project.reset()
