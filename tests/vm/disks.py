"""A virtual machine's disks, made of the one that a machine of the sandbox has installed NixOS on."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sandbox.machine import base

# In a container these stand in for a kernel, or for udev.
_STAND_INS = (
    *("local/sbin/sgdisk", "local/sbin/swapoff", "local/sbin/swapon", "local/sbin/udevadm"),
    "sbin/mount.vfat",
)
_USR = """
mkdir -p "$1"
mount -t tmpfs scratch "$1"
mkdir "$1/upper" "$1/work" "$1/usr"
mount -t overlay -o "lowerdir=$3:$4,upperdir=$1/upper,workdir=$1/work" usr "$1/usr"
image=$2
scratch=$1
shift 4
for name; do
  rm "$scratch/usr/$name"
done
mkfs.ext4 -q -L usr -O '^has_journal' -d "$scratch/usr" "$image" 1G
"""
_SWAP = """
mount -o "loop,offset=$3" "$2" "$1"
[ ! -e "$1/var/lib/swapfile" ] || exit 0
fallocate -l "$4" "$1/var/lib/swapfile"
chmod 600 "$1/var/lib/swapfile"
mkswap -q "$1/var/lib/swapfile"
"""


def usr(image: Path, instance: Path) -> None:
    """Make the disk that is /usr: Debian's programs, and what a world's machines have besides.

    Args:
        image: the file to make.
        instance: the world's layer of that name.
    """
    parts = (
        image.with_suffix(".scratch"),
        image,
        instance / "usr",
        base.ROOTS / base.key() / "usr",
    )
    _run("unshare", "--mount", "sh", "-euc", _USR, "sh", *map(str, parts), *_STAND_INS)


def swap(disk: Path, megabytes: int) -> None:
    """Make the swap file that a host makes at its first boot, which takes minutes where QEMU emulates it.

    Args:
        disk: a machine's disk, which is off. Its third partition is the root file system.
        megabytes: the size that the configuration has.
    """
    mount = disk.with_suffix(".mnt")
    mount.mkdir(exist_ok=True)
    words = (str(mount), str(disk), str(_start(disk, 3)), f"{megabytes}M")
    _run("unshare", "--mount", "sh", "-euc", _SWAP, "sh", *words)
    mount.rmdir()


def overlay(image: Path, on: Path, larger: int) -> None:
    """Make a disk that begins as another is, and leaves that alone.

    Args:
        image: the file to make.
        on: the other one.
        larger: by how many gigabytes it is larger.
    """
    size = on.stat().st_size + larger * 1024**3
    _run(
        "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(on), str(image), str(size)
    )


def flatten(image: Path, disk: Path) -> None:
    """Write an overlay, with what lies under it, over a disk. Their machines must be off."""
    flat = disk.with_suffix(".flat")
    _run("qemu-img", "convert", "-q", "-O", "raw", str(image), str(flat))
    flat.chmod(0o600)
    flat.replace(disk)


def fill_esp(disk: Path, firmware: Path) -> None:
    """Put into a disk's EFI partition what the sandbox, whose kernel may know no vfat, keeps beside it.

    Args:
        disk: a machine's disk. Its second partition is the EFI partition.
        firmware: the machine's folder of that name.
    """
    at = f"{disk}@@{_start(disk, 2)}"
    serial = _run("mdir", "-i", at, "::").partition("Serial Number is ")[2].split()[0]
    _run("mcopy", "-s", "-D", "o", "-i", at, str(firmware / "esp" / serial / "EFI"), "::")


def _start(disk: Path, partition: int) -> int:
    """Where a partition begins, in bytes."""
    show = ("partx", "--show", "--noheadings", "--output=START", f"--nr={partition}")
    return 512 * int(_run(*show, str(disk)))


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stdout + done.stderr)
    return done.stdout
