"""A real nixpkgs takes every variant of the configuration, and programs take what it makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.nix import gixy
from tests.nix.programs import (
    nft_refuses,
    nginx_refuses,
    sshd_takes,
    systemd_refuses,
    with_includes,
)
from tests.nix.test_rendered import VARIANTS
from tests.nixos.conftest import Evaluate

# What gixy finds of older NixOS, in what is NixOS's own.
OF_OLD = {"ssl_stapling_without_resolver"}

variants = pytest.mark.parametrize("name", VARIANTS)


@variants
def test_it_is_a_whole_system_without_a_warning(name: str, real: Evaluate) -> None:
    host = real(name)

    assert host.system.endswith(".drv")
    assert host.warnings == []


@variants
def test_systemd_takes_every_unit(name: str, real: Evaluate, tmp_path: Path) -> None:
    units = {name: unit.text for name, unit in real(name).units.items()}

    assert "media.service" in units
    refused = systemd_refuses(units, tmp_path, real(name).store.path)
    assert refused is None


@variants
def test_nginx_takes_its_configuration(name: str, real: Evaluate, tmp_path: Path) -> None:
    host = real(name)

    refused = nginx_refuses(host.nginx, tmp_path, host.included_by_nginx)
    assert refused is None


@variants
@pytest.mark.parametrize("version", gixy.VERSIONS)
def test_gixy_finds_nothing_else(
    version: str, name: str, real: Evaluate, older: bool, tmp_path: Path
) -> None:
    host = real(name)
    conf = tmp_path / "nginx.conf"
    conf.write_text(with_includes(host.nginx, tmp_path, host.included_by_nginx))

    found = set(re.findall(r"Problem: \[(\w+)\]", gixy.said_by(version, [conf])))
    assert found <= (OF_OLD if older else set())


@variants
def test_sshd_takes_its_configuration(
    name: str, real: Evaluate, older: bool, tmp_path: Path
) -> None:
    settings = sshd_takes(real(name).files["ssh/sshd_config"], tmp_path)

    assert (
        "authorizedkeysfile /var/lib/deploy/%u /etc/ssh/authorized_keys.d/%u" in settings or older
    )
    assert "permitopen 127.0.0.1:32400 localhost:32400" in settings or older


@variants
def test_nftables_takes_the_rules(name: str, real: Evaluate, older: bool) -> None:
    tables = real(name).tables
    if not tables:
        assert older
        pytest.skip("this NixOS makes its firewall of iptables, by a script")

    assert {"metadata", "nixos-fw"} <= set(tables)
    assert [nft_refuses(rules) for rules in tables.values()] == [None] * len(tables)
