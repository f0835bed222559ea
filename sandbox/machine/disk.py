"""A machine's disk: a sparse file behind a loop device."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from sandbox.machine.run import CommandError, run


def make(image: Path, gigabytes: int) -> None:
    """Make an empty disk."""
    with image.open("xb") as file:
        file.truncate(gigabytes * 1024**3)
    image.chmod(0o600)


async def attach(image: Path) -> str:
    """Connect the disk, with its partitions, and return the device's name, for example "loop3"."""
    for device in attached(image):
        return device
    device = (await run("losetup", "--find", "--show", str(image))).strip()
    # This computer's kernel may know no GPT, so the partitions are told to it. There may be none yet, or
    # those of a disk that was here before and was not taken away in order.
    for action in ("--delete", "--add"):
        with suppress(CommandError):
            await run("partx", action, device)
    return Path(device).name


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
