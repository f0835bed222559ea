"""Installs GRUB and its menu. Usage: install_grub.py LIMIT TIMEOUT EFI TOPLEVEL DEVICE...

The first entry is the default: the generation that was last made the boot default, which need not be the
newest of the profile. The profile's generations follow in a submenu, the newest first, as many as the limit
allows.

EFI is the file that firmware starts, or empty. GRUB itself is installed with NIXOS_INSTALL_BOOTLOADER=1 only.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

PROFILES = Path("/nix/var/nix/profiles")
BOOT = Path("/boot")
CONFIG = BOOT / "grub/grub.cfg"
MACHINE = Path("/usr/lib/sandbox")
"""What machines of the sandbox have. Elsewhere, the disks are somebody's real ones."""

# What is to be booted once is forgotten before it is booted. The variable stays, without a value.
HEAD = """\
# Made by NixOS's stand-in; changes would be lost.
if [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "${next_entry}" ]; then
  set default="${next_entry}"
  set next_entry=
  save_env next_entry
  set timeout=1
else
  set default=0
  set timeout=%d
fi
"""
# GRUB's own device is the one that it was installed on, whichever number the firmware gives it.
EFI_MODULES = (
    *(
        "part_gpt",
        "fat",
        "ext2",
        "search",
        "search_label",
        "configfile",
        "normal",
        "loadenv",
        "test",
    ),
    *("linux", "echo", "gzio", "all_video", "serial", "terminal", "reboot", "sleep", "boot"),
)
EFI_START = "search.fs_label nixos root\nset prefix=($root)/boot/grub\n"


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
        SystemExit: the EFI partition is not mounted, or GRUB cannot be installed on a device.
    """
    if not MACHINE.exists():
        return
    if efi:
        print("installing the GRUB 2 boot loader into", efi)
        partition = Path(efi).parent.parent.parent
        if not partition.is_mount():
            raise SystemExit(
                f"grub-install: error: {partition} doesn't look like an EFI partition."
            )
        Path(efi).parent.mkdir(parents=True, exist_ok=True)
        # grub-install wants to see vfat there, which the sandbox's kernel may not know.
        start = Path(efi).with_suffix(".cfg")
        start.write_text(EFI_START)
        command = ["grub-mkimage", "--format=x86_64-efi", f"--output={efi}", f"--config={start}"]
        run([*command, "--prefix=/boot/grub", *EFI_MODULES])
        start.unlink()
    for device in devices:
        print("installing the GRUB 2 boot loader on", device)
        run(["grub-install", "--target=i386-pc", f"--boot-directory={BOOT}", device])


def run(command: list[str]) -> None:
    """Run one of GRUB's programs.

    Raises:
        SystemExit: it failed; the message has what it said.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout}{done.stderr}".strip())


def install(limit: int, timeout: int, toplevel: Path) -> None:
    """Write the configuration, in one step."""
    lines = [HEAD % timeout]
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
