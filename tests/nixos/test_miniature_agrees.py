"""The miniature makes of each variant what a real nixpkgs makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.nix.programs import sshd_takes
from tests.nix.test_options_set import modules
from tests.nix.test_rendered import VARIANTS
from tests.nixos import differences
from tests.nixos.conftest import Evaluate

variants = pytest.mark.parametrize("name", VARIANTS)


@pytest.fixture
def _current(older: bool) -> None:
    if older:
        pytest.skip("the miniature is made after 25.11, and this NixOS is older")


def ours(configuration: Path) -> set[str]:
    """The units that the configuration itself defines."""
    found = set()
    for module in modules(configuration.parent):
        for value in module["values"]:
            for systemd in value["value"].get("systemd", []):
                for kind in ("service", "timer"):
                    for units in systemd["value"].get(f"{kind}s", []):
                        for name, definitions in units["value"].items():
                            keys = {key for one in definitions for key in one["value"]}
                            # Others are NixOS's, to which something is added.
                            if keys & {"description", "timerConfig"}:
                                found.add(f"{name}.{kind}")
    return found


@variants
def test_units_of_ours(
    name: str, real: Evaluate, miniature: Evaluate, rendered: Callable[[str], Path]
) -> None:
    units = ours(rendered(name))

    assert {"media.service", "plex-gate.service", "ipv6-from-metadata.service"} <= units
    assert different_units(name, units, real, miniature) == ""


@pytest.mark.usefixtures("_current")
@variants
def test_units_of_nixos(name: str, real: Evaluate, miniature: Evaluate) -> None:
    units = set(real(name).units) & set(miniature(name).units)

    assert {"nginx.service", "plex.service", "sshd.service"} <= units
    assert different_units(name, units, real, miniature) == ""


def different_units(name: str, units: set[str], real: Evaluate, miniature: Evaluate) -> str:
    each = (
        differences.of_lines(
            unit,
            differences.unit(real(name), unit),
            differences.unit(miniature(name), unit),
        )
        for unit in sorted(units)
    )
    return "\n".join(filter(None, each))


@pytest.mark.usefixtures("_current")
@variants
def test_nginx(name: str, real: Evaluate, miniature: Evaluate, tmp_path: Path) -> None:
    hosts = real(name), miniature(name)

    found = differences.of_lines(
        "nginx.conf", *(differences.nginx(host.nginx, tmp_path) for host in hosts)
    )
    assert found == ""
    headers = [
        [differences.rules(text) for text in host.included_by_nginx.values()] for host in hosts
    ]
    assert headers[0] == headers[1]


@pytest.mark.usefixtures("_current")
@variants
def test_ssh(name: str, real: Evaluate, miniature: Evaluate, tmp_path: Path) -> None:
    found = [
        sshd_takes(host(name).files["ssh/sshd_config"], tmp_path) for host in (real, miniature)
    ]

    assert differences.of_lines("sshd_config", *map(map_plain, found)) == ""


def map_plain(lines: list[str]) -> list[str]:
    return [differences.plain(line) for line in lines]


@pytest.mark.usefixtures("_current")
@variants
def test_the_firewall(name: str, real: Evaluate, miniature: Evaluate) -> None:
    by_nixos, by_miniature = (host(name).tables for host in (real, miniature))

    # In their order: the first rule that takes a packet decides.
    assert set(by_nixos) == set(by_miniature)
    for table, rules in by_nixos.items():
        assert differences.rules(by_miniature[table]) == differences.rules(rules)


@variants
def test_the_network(name: str, real: Evaluate, miniature: Evaluate) -> None:
    place = "systemd/network/10-uplink.network"
    found = [host(name).files[place] for host in (real, miniature)]

    assert differences.of_lines(place, *map(differences.rules, found)) == ""
