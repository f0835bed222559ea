"""Stands in for GRUB: writes /boot/grub/grub.cfg. Usage: install_grub.py LIMIT TIMEOUT TOPLEVEL

The first entry is the default: the generation that was last made the boot default, which need not be the
newest of the profile. The older generations follow, the newest first, as many as the limit allows.
"""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

PROFILES = Path("/nix/var/nix/profiles")
CONFIG = Path("/boot/grub/grub.cfg")


def entry(title: str, toplevel: Path) -> str:
    """One menu entry, with the lines that boot the generation."""
    parameters = (toplevel / "kernel-params").read_text()
    return (
        f'menuentry "{title}" {{\n'
        f"  linux {(toplevel / 'kernel').resolve()} init={toplevel}/init {parameters}\n"
        f"  initrd {(toplevel / 'initrd').resolve()}\n"
        "}\n"
    )


def generations() -> list[tuple[int, Path]]:
    """The system profile's generations, the newest first."""
    found = []
    for path in PROFILES.glob("system-*-link"):
        number = re.fullmatch(r"system-(\d+)-link", path.name)
        if number and path.exists():
            found.append((int(number[1]), path))
    return sorted(found, reverse=True)


def install(limit: int, timeout: int, toplevel: Path) -> None:
    """Write the configuration, in one step."""
    lines = ["# Made by NixOS's stand-in for GRUB.\n", "set default=0\n"]
    if timeout >= 0:
        lines.append(f"set timeout={timeout}\n")
    lines.append(entry("NixOS - Default", toplevel))
    for number, link in generations()[:limit]:
        made = datetime.fromtimestamp(link.lstat().st_mtime, tz=UTC)
        version = (link / "nixos-version").read_text()
        title = f"NixOS - Configuration {number} ({made:%Y-%m-%d} - {version})"
        lines.append(entry(title, link.resolve()))
    CONFIG.parent.mkdir(parents=True, exist_ok=True)
    temporary = CONFIG.with_suffix(".tmp")
    with temporary.open("w") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(CONFIG)
    if os.environ.get("NIXOS_INSTALL_BOOTLOADER") == "1":
        print("installing the GRUB 2 boot loader (its stand-in: /boot/grub/grub.cfg)")
    print("updating GRUB 2 menu...", file=sys.stderr)


if __name__ == "__main__":
    install(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
