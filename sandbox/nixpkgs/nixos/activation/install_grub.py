"""Stands in for GRUB: writes /boot/grub/grub.cfg. Usage: install_grub.py LIMIT TIMEOUT EFI TOPLEVEL DEVICE...

The first entry is the default: the generation that was last made the boot default, which need not be the
newest of the profile. The profile's generations follow in a submenu, the newest first, as many as the limit
allows.

EFI is the file that firmware starts, or empty. With NIXOS_INSTALL_BOOTLOADER=1 that file, and the
first sector of each device, get what a machine of the sandbox takes for a boot loader.
"""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

PROFILES = Path("/nix/var/nix/profiles")
CONFIG = Path("/boot/grub/grub.cfg")
FIRMWARE = Path("/run/sandbox")


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


def install_loader(efi: str, devices: list[str]) -> None:
    """Make the disk one that boots, by BIOS and by UEFI.

    Raises:
        SystemExit: the EFI partition is not mounted, or there is no such device.
    """
    print("installing the GRUB 2 boot loader (its stand-in)")
    if not FIRMWARE.exists():
        # No machine of the sandbox: these are somebody's real disks.
        return
    if efi:
        partition = Path(efi).parent.parent.parent
        if not partition.is_mount():
            raise SystemExit(
                f"grub-install: error: {partition} doesn't look like an EFI partition."
            )
        Path(efi).parent.mkdir(parents=True, exist_ok=True)
        Path(efi).touch()
    for device in devices:
        try:
            with Path(device).open("r+b") as disk:
                disk.seek(384)
                disk.write(b"GRUB")
                disk.flush()
                os.fsync(disk.fileno())
        except FileNotFoundError:
            raise SystemExit(f"grub-install: error: cannot find a device for {device}.") from None


def install(limit: int, timeout: int, toplevel: Path) -> None:
    """Write the configuration, in one step."""
    lines = ["# Made by NixOS's stand-in for GRUB.\n", "set default=0\n"]
    if timeout >= 0:
        lines.append(f"set timeout={timeout}\n")
    lines.append(entry("NixOS - Default", toplevel))
    lines.append('submenu "NixOS - All configurations" --class submenu {\n')
    for number, link in generations()[:limit]:
        made = datetime.fromtimestamp(link.lstat().st_mtime, tz=UTC)
        version = (link / "nixos-version").read_text()
        title = f"NixOS - Configuration {number} ({made:%Y-%m-%d} - {version})"
        lines.append(entry(title, link.resolve()))
    lines.append("}\n")
    CONFIG.parent.mkdir(parents=True, exist_ok=True)
    temporary = CONFIG.with_suffix(".tmp")
    with temporary.open("w") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(CONFIG)
    print("updating GRUB 2 menu...", file=sys.stderr)


if __name__ == "__main__":
    install(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[4]))
    if os.environ.get("NIXOS_INSTALL_BOOTLOADER") == "1":
        install_loader(sys.argv[3], sys.argv[5:])
