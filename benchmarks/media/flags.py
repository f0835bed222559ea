"""The three sets of rclone's flags that are compared; without those that name a place on one host."""

from __future__ import annotations

import shlex
from pathlib import Path

from components import configuration
from tests.nix.evaluation import evaluate
from tests.stack import REPO, settings_of

# From the article, in its order, without --drive-acknowledge-abuse, which is Google Drive's: the rclone
# here has no such backend, and would not start.
_ARTICLE = """
    --allow-other --allow-non-empty --log-level=INFO --buffer-size=50M --no-modtime
    --vfs-cache-mode full --vfs-cache-max-size 20G --vfs-read-chunk-size=32M
    --vfs-read-chunk-size-limit=256M
"""
_DEFAULTS = "--allow-other --log-level=INFO --vfs-cache-mode full"
_PLACES = ("--config", "--cache-dir", "--rc-addr")


def sets(folder: Path) -> dict[str, list[str]]:
    """The sets by name. Ours is what the host's configuration has, evaluated by Nix.

    Args:
        folder: for what Nix needs.
    """
    return {
        "article": shlex.split(_ARTICLE),
        "defaults": shlex.split(_DEFAULTS),
        "ours": _ours(folder),
    }


def _ours(folder: Path) -> list[str]:
    for name, text in configuration.files(settings_of(cacheGigabytes=20), "prod").items():
        path = folder / "nixos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "nixos" / "host.nix").write_text("{ }")
    command = evaluate(
        """(import <nixpkgs/nixos> { configuration = ./nixos/configuration.nix; })
          .config.systemd.services.media.serviceConfig.ExecStart""",
        folder,
        {"nixpkgs": REPO / "sandbox" / "nixpkgs"},
    )
    _program, _mount, _remote, _path, *flags = shlex.split(str(command))
    kept: list[str] = []
    while flags:
        flag = flags.pop(0)
        value = [flags.pop(0)] if flags and not flags[0].startswith("--") else []
        if flag not in _PLACES:
            kept += [flag, *value]
    return kept
