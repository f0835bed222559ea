"""What boots, by the real GRUB and a real kernel."""

from __future__ import annotations

import pytest

from tests.vm.host import Fallen, Host

# A panic that nothing ends: with interrupts off, on all processors, for ever.
_HANGS = """{ lib, ... }:
{
  boot.kernelParams = lib.mkAfter [ "panic=0" ];
  systemd.services.hang = {
    wantedBy = [ "multi-user.target" ];
    before = [ "converge-recover.service" ];
    unitConfig.ConditionKernelCommandLine = "panic=0";
    script = "echo c >/proc/sysrq-trigger";
    serviceConfig.Type = "oneshot";
  };
}
"""
_HANG = "Kernel panic - not syncing: sysrq triggered crash"
_NO_NETWORK = """{ lib, ... }:
{
  boot.kernelParams = lib.mkAfter [ "modprobe.blacklist=virtio_net" ];
}
"""
_BOOTS = "journalctl --list-boots --output=json | jq length"
_ENVIRONMENT = "grub-editenv /boot/grub/grubenv list"


def _fell_back(host: Host, before: str, schema: str) -> None:
    """The generation before runs, with the databases that belong to it, and everybody says so."""
    assert host.system() == before
    assert host.schema() == schema
    assert host.rows() == host.films
    assert "was booted once, and did not stay up" in host.status("message")
    assert host.status("state") == "failed"
    assert "drift: note: the last change has failed: " in host.ssh("drift").stdout
    # GRUB has forgotten what was to be booted once. The variable is still there.
    assert host.shell(_ENVIRONMENT).splitlines() == ["next_entry="]


# It is not healthy for as long as the test looks at it.
_SLOW = """{ pkgs, ... }:
{
  systemd.services.slow = {
    wantedBy = [ "multi-user.target" ];
    before = [ "converge-recover.service" ];
    unitConfig.ConditionPathExists = "!/run/converge/log";
    script = ''
      printf '#!/bin/sh\\nexec sleep infinity\\n' >/run/slow
      mount --bind /run/slow /etc/nixos/host/health.sh
    '';
    path = [ pkgs.util-linux ];
    serviceConfig.Type = "oneshot";
  };
}
"""


def test_a_kernel_that_panics_gives_way_to_the_generation_before(fallen: Fallen) -> None:
    host = fallen.host
    _fell_back(host, fallen.system, fallen.schema)
    host.out_of_vm()
    assert "was booted once, and did not stay up" in host.up()
    assert host.status("state") == "pending"


@pytest.mark.heavy
def test_a_kernel_that_hangs_is_reset_by_the_watchdog(host: Host) -> None:
    before, schema = host.system(), host.schema()
    host.pin_newer_nixpkgs()
    host.project.module("hangs", _HANGS)
    host.up()
    assert host.status("state") == "pending"
    host.into_vm()
    host.vm.until_said(_HANG)
    host.until_up()

    _fell_back(host, before, schema)
    host.out_of_vm()
    host.project.reset()  # what has not changed is not asked for again
    assert "was booted once, and did not stay up" in host.up()


@pytest.mark.heavy
def test_a_kernel_without_a_network_gives_way_to_the_generation_before(host: Host) -> None:
    before, schema, boots = host.system(), host.schema(), int(host.shell(_BOOTS))
    host.pin_newer_nixpkgs()
    host.project.module("no-network", _NO_NETWORK)
    host.shorter('await 60 "SSH answers a new connection"')
    host.shorter('await 90 "routes and an IPv6 address"')
    host.up()
    assert host.status("state") == "pending"
    host.into_vm()
    host.until_up()

    _fell_back(host, before, schema)
    # Nobody could ask the first one.
    assert int(host.shell(_BOOTS)) == boots + 2


@pytest.mark.heavy
@pytest.mark.parametrize("uefi", [False, True], ids=["bios", "uefi"])
def test_an_armed_generation_is_booted_once(host: Host, uefi: bool) -> None:
    before = host.system()
    host.pin_newer_nixpkgs()
    host.project.module("slow", _SLOW)
    host.up()
    new = host.profile()
    assert host.shell(_ENVIRONMENT).startswith("next_entry=1>")
    host.into_vm(uefi=uefi)
    host.until_up()
    assert host.shell("[ ! -d /sys/firmware/efi ] || echo uefi").strip() == ("uefi" if uefi else "")
    assert host.system() == new != before
    assert host.shell(_ENVIRONMENT).splitlines() == ["next_entry="]
    # It has not proved itself yet, so the default is still the other one.
    assert host.boots_next() == before
    host.reboot()
    assert host.system() == before
