"""Kernels, which only a boot can test: one is booted once, and is the default when the host is healthy."""

from __future__ import annotations

from tests.e2e import machine
from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import Host

# As if the kernel lost it: not when the generation is activated, but when it boots, before it is looked at.
_NO_NETWORK = """{ pkgs, ... }:
{
  systemd.services.no-driver = {
    wantedBy = [ "multi-user.target" ];
    after = [ "ipv6-from-metadata.service" ];
    before = [ "converge-recover.service" ];
    unitConfig.ConditionPathExists = "!/run/converge/log";
    path = [ pkgs.iproute2 ];
    script = "ip link set dev eth0 down";
    serviceConfig.Type = "oneshot";
  };
}
"""


@fault(
    "a new kernel, by an automatic upgrade",
    "until the next reboot",
    "the old generation stays the default; the new one is booted once, is healthy, and becomes it",
)
def test_a_new_kernel(host: Host) -> None:
    before = host.system()
    host.publish_newer_nixpkgs()
    host.shell("systemctl start upgrade")
    new = host.system()
    assert host.status("state") == "pending"
    assert host.boots_next() == before != new
    assert "waits for a reboot" in host.shell("drift")
    host.boot_what_waits()
    assert host.system() == host.boots_next() == new


@fault(
    "a new kernel that hangs, and a reset from Hetzner's console",
    "at its first boot",
    "the old generation boots, with its Plex and every row; the next `up` lets the new one be tried again",
)
def test_a_kernel_that_hangs(host: Host) -> None:
    before, boots, schema = host.system(), machine.boots(host.stack), host.schema()
    host.pin_newer_nixpkgs()
    host.up()
    assert host.status("state") == "pending"
    assert host.schema() != schema
    host.shell("systemctl reboot")
    machine.until_booted(host.stack, *boots, "installed")
    machine.cut_power(host.stack)
    host.until_rebooted([*boots, "installed"])
    assert host.system() == before
    assert host.schema() == schema
    assert host.rows() == host.films
    assert "was booted once, and did not stay up" in host.status("message")
    host.replace()
    host.boot_what_waits()


@fault(
    "a new kernel without a driver for the network",
    "at its first boot",
    "nobody can reach it, so it reboots into the old generation, with its Plex and every row",
)
def test_a_kernel_without_a_network(host: Host) -> None:
    before, boots, schema = host.system(), machine.boots(host.stack), host.schema()
    host.pin_newer_nixpkgs()
    host.project.module("no-driver", _NO_NETWORK)
    host.shorter('await 60 "SSH answers a new connection"')
    host.shorter('await 90 "routes and an IPv6 address"')
    host.up()
    host.shell("systemctl reboot")
    host.until_rebooted([*boots, "installed"])
    assert host.system() == before
    assert host.schema() == schema
    assert host.rows() == host.films
    assert "was booted once, and did not stay up" in host.status("message")
    host.project.reset()
    host.up()
    host.boot_what_waits()
