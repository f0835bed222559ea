"""A machine's disk: a sparse file behind a loop device, with what the server's image has on it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from sandbox.machine.run import CommandError, run

_GET_FREE = 0x4C82  # LOOP_CTL_GET_FREE
_LOOP_MAJOR = 7
_IMAGE = Path(__file__).parent / "image.sh"


async def make(image: Path, gigabytes: int, base: Path) -> None:
    """Make a disk with the partitions of Hetzner's Ubuntu image, in a machine's folder.

    Args:
        base: the root from `sandbox.machine.base.ensure`, which has the programs for it.

    Raises:
        CommandError: one of them failed.
    """
    with image.open("xb") as file:
        file.truncate(gigabytes * 1024**3)
    image.chmod(0o600)
    await run("unshare", "--mount", "sh", str(_IMAGE), str(base), str(image.parent))


def grow(image: Path, gigabytes: int) -> None:
    """Make the disk larger. Its machine must be off."""
    os.truncate(image, gigabytes * 1024**3)


async def attach(image: Path) -> str:
    """Connect the disk, with its partitions, and return the device's name, for example "loop3".

    Raises:
        CommandError: the computer gives no loop device.
    """
    for device in attached(image):
        return device
    device = await _connect(image)
    # This computer's kernel may know no GPT, so the partitions are told to it. There may be none yet, or
    # those of a disk that was here before and was not taken away in order.
    for action in ("--delete", "--add"):
        with suppress(CommandError):
            await run("partx", action, f"/dev/{device}")
    return device


async def _connect(image: Path) -> str:
    for _ in range(20):
        with Path("/dev/loop-control").open("rb") as control:
            number = fcntl.ioctl(control, _GET_FREE)
        # Where no udev runs, only the first devices have a node.
        with suppress(FileExistsError):
            os.mknod(f"/dev/loop{number}", stat.S_IFBLK | 0o660, os.makedev(_LOOP_MAJOR, number))
        # Somebody else may have been quicker, and have it now.
        with suppress(CommandError):
            return await _find(image)
    return await _find(image)


async def _find(image: Path) -> str:
    return Path((await run("losetup", "--find", "--show", str(image))).strip()).name


async def detach(image: Path) -> None:
    """Disconnect the disk. Its machine must be off.

    Raises:
        CommandError: something else has it open.
    """
    for device in attached(image):
        # Partitions that were told to the kernel outlive their disk; a dead machine's mounts end later.
        for attempt in range(50):
            with suppress(CommandError):
                await run("partx", "--delete", f"/dev/{device}")
            if not _partitions(device):
                break
            await asyncio.sleep(0.01 * attempt)
        with suppress(CommandError):
            await run("losetup", "--detach", f"/dev/{device}")
    if still := attached(image):
        raise CommandError(f"{image} is still in use by {', '.join(still)}")


def attached(image: Path) -> list[str]:
    """The loop devices of an image, or of all images below a folder."""
    found = []
    for device in Path("/sys/block").glob("loop*"):
        try:
            told = (device / "loop" / "backing_file").read_text()
        except OSError:
            # It has none, or has lost it just now.
            continue
        # A removed file is still named, with a remark.
        file = Path(told.rstrip("\n").removesuffix(" (deleted)"))
        if file == image or image in file.parents:
            found.append(device.name)
    return found


def _partitions(device: str) -> list[Path]:
    return list(Path(f"/sys/block/{device}").glob(f"{device}p*"))
