"""Configurations that do harm: each is refused or taken back, and the next `pulumi up` works."""

from __future__ import annotations

import pytest

from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import Host

_TCP_PORTS = "allowedTCPPorts = {{ tcp_ports | nix }};"
_HEALTH = "nix/host/health.sh"


@fault(
    "the host's firewall closes port 22",
    "with the change",
    "healthy, but no second connection comes: `up` fails, the old generation runs, the next `up` works",
)
@pytest.mark.quick
def test_a_firewall_that_closes_ssh(host: Host) -> None:
    before = host.system()
    host.project.edit("nix/firewall.nix.j2", _TCP_PORTS, "allowedTCPPorts = [ 80 443 ];")
    said = host.up_fails("no second connection came within 10 s")
    assert "the host is back on the generation before" in said
    assert host.system() == before
    host.project.reset()


@fault(
    "a configuration with which nginx does not start",
    "with the change",
    "its health fails: `up` says why, the old generation runs, nginx serves",
)
@pytest.mark.quick
def test_nginx_that_does_not_start(host: Host) -> None:
    before = host.system()
    host.project.edit("nix/web.nix.j2", "proxy_redirect off;", "proxy_redirect nonsense;")
    host.project.edit(
        _HEALTH,
        'await 90 "nginx is active" active nginx.service',
        'await 3 "nginx is active" active nginx',
    )
    host.up_fails("invalid parameter", "failed: health: nginx is active")
    assert host.system() == before
    host.project.reset()
