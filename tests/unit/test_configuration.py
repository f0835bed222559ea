"""What the host's scripts are told, besides what Nix is told."""

from __future__ import annotations

import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from components import configuration
from components.storage import backup_conf, rclone_conf
from tests import stack
from tests.stack import APPLICATION_KEY, BACKUP_APPLICATION_KEY


def test_a_shell_reads_the_parameters(tmp_path: Path) -> None:
    settings = stack.settings_of(acknowledgeSeconds=60)
    path = tmp_path / "parameters"
    path.write_text(configuration.parameters(settings, "o'brien $(id) `id`"))

    done = subprocess.run(
        [
            "sh",
            "-euc",
            f'. {path}; echo "$STACK|$DOMAIN|$RELEASE|$ACKNOWLEDGE_SECONDS|$NIXPKGS_SHA256"',
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == (
        f"o'brien $(id) `id`|plex.films.sandbox|{settings.nixos_release}|60|"
        f"{settings.pinned.nixpkgs.sha256}\n"
    )


def test_the_tunnel_is_for_the_first_administrator() -> None:
    settings = stack.settings_of(
        administrators={"zoe": [stack.PUBLIC_KEY], "alice": [stack.PUBLIC_KEY]}
    )

    assert configuration.tunnel_command(settings) == (
        "ssh -L 32400:127.0.0.1:32400 zoe@plex.films.sandbox"
    )


@pytest.mark.parametrize(
    ("domain", "dns", "zone", "whole_zone", "binds"),
    [
        ("plex.films.sandbox", "hetzner", "films.sandbox", False, "true"),
        ("plex.films.sandbox", "external", "films.sandbox", False, "true"),
        ("films.sandbox", "hetzner", "films.sandbox", False, "false"),
        ("films.sandbox", "hetzner", "films.sandbox", True, "true"),
        # Nobody says whose apex this is, or that it is none.
        ("plex.films.sandbox", "external", "", False, "false"),
        ("plex.films.sandbox", "external", "", True, "true"),
        # It only ends like the zone.
        ("otherfilms.sandbox", "external", "films.sandbox", False, "false"),
    ],
)
def test_hsts_binds_names_below_unless_that_might_be_a_whole_zone(
    domain: str, dns: str, zone: str, whole_zone: bool, binds: str
) -> None:
    settings = stack.settings_of(domain=domain, dns=dns, dnsZone=zone, hstsWholeZone=whole_zone)

    assert f"hstsBindsNamesBelow = {binds};" in configuration.files(settings, "prod")["web.nix"]


def test_every_file_ends_with_a_newline_and_has_its_own_path() -> None:
    for path, text in configuration.files(stack.settings_of(), "prod").items():
        assert text.endswith("\n"), path
        assert not path.startswith("/"), path
        assert ".." not in path, path


def test_rclones_file_has_one_remote() -> None:
    remote = ConfigParser()
    remote.read_string(rclone_conf(stack.settings_of()))

    assert remote.sections() == ["b2"]
    assert (remote["b2"]["type"], remote["b2"]["key"]) == ("b2", APPLICATION_KEY)


def test_the_backups_file_has_one_remote_with_its_own_key() -> None:
    remote = ConfigParser()
    remote.read_string(backup_conf(stack.settings_of()))

    assert remote.sections() == ["backup"]
    assert dict(remote["backup"]) == {
        "type": "b2",
        "account": "0005a1b2c3d4e5f0000000002",
        "key": BACKUP_APPLICATION_KEY,
        "hard_delete": "true",
        "versions": "false",
    }
