"""What the host's scripts are told, besides what Nix is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from components import configuration
from components.storage import rclone_conf
from tests import stack
from tests.stack import APPLICATION_KEY


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


def test_every_file_ends_with_a_newline_and_has_its_own_path() -> None:
    for path, text in configuration.files(stack.settings_of(), "prod").items():
        assert text.endswith("\n"), path
        assert not path.startswith("/"), path
        assert ".." not in path, path


@pytest.mark.parametrize("line", ["type = b2", f"key = {APPLICATION_KEY}", "[b2]"])
def test_rclones_file_has_one_remote(line: str) -> None:
    assert line in rclone_conf(stack.settings_of()).splitlines()
