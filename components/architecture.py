"""Which processors a server has, told by the name of its type."""

from __future__ import annotations

from typing import Literal

Architecture = Literal["x86_64", "aarch64"]


def of(server_type: str) -> Architecture:
    """The architecture, as Nix and Linux name it, of a server type of Hetzner's: those of Arm are `cax`."""
    return "aarch64" if server_type.startswith("cax") else "x86_64"
