"""Pulumi's engine and plugins, and what sandbox and tests run besides, in a cache outside the checkout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..paths import CACHE, REPO
from .locations import Toolchain
from .prepare import Preparation, ToolchainError
from .store import Store
from .tools import ACTIONLINT_TOOL, ENGINE_TOOL, PEBBLE_TOOL, PLUGIN_TOOLS, RCLONE_TOOL, TOOLS

__all__ = ["Toolchain", "ToolchainError", "ensure", "install_plugins", "locations"]

_STORE = Store(CACHE / "toolchain", REPO / "sandbox" / "plugins")


def ensure(say: Callable[[str], None]) -> None:
    """Build what is missing, with one line for each step.

    Raises:
        ToolchainError: a tool could not be built.
    """
    Preparation(_STORE, say).run(TOOLS)


def locations() -> Toolchain:
    """Where everything is after `ensure`."""
    return Toolchain(
        pulumi=_STORE.entry(ENGINE_TOOL) / "pulumi",
        plugins={
            name: _STORE.entry(tool) / f"pulumi-resource-{name}"
            for name, tool in PLUGIN_TOOLS.items()
        },
        rclone=_STORE.entry(RCLONE_TOOL) / "rclone",
        pebble=_STORE.entry(PEBBLE_TOOL) / "pebble",
        challenge_server=_STORE.entry(PEBBLE_TOOL) / "pebble-challtestsrv",
        actionlint=_STORE.entry(ACTIONLINT_TOOL) / "actionlint",
    )


def install_plugins(pulumi_home: Path) -> None:
    """Put the plugins where an engine with this PULUMI_HOME looks for installed ones.

    They exist in the sandbox's PULUMI_HOME only: a live stack runs with the official plugins.
    """
    locations().install_plugins(pulumi_home)
