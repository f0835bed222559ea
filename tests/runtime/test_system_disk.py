"""Which disk the installation takes, among those that a server may have."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.needs import needs
from tests.stack import REPO

pytestmark = needs("makes devices, which takes root", os.geteuid() == 0)

SYSTEM = "disk/by-id/scsi-0QEMU_QEMU_HARDDISK_42"
VOLUME = "disk/by-id/scsi-0HC_Volume_7"


def choose(devices: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What the script says of a server with these block devices, some of them by a link as well."""
    nodes = ["mknod /dev/null c 1 3"]
    for number, (device, link) in enumerate(devices.items()):
        nodes.append(f"mknod /dev/{device} b 7 {200 + number}")
        if link:
            nodes.append(f"ln -s /dev/{device} /dev/{link}")
    # Only the names matter: nothing has these numbers.
    prepared = "\n".join(
        ["set -e", "mount -t tmpfs dev /dev", "mkdir -p /dev/disk/by-id", *nodes, 'exec sh "$1"']
    )
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", prepared, "sh", f"{REPO}/nix/host/system-disk.sh"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("devices", "chosen"),
    [
        ({"sda": SYSTEM}, SYSTEM),
        ({"sda": VOLUME, "sdb": SYSTEM, "sdb1": f"{SYSTEM}-part1"}, SYSTEM),
        ({"sda": ""}, "sda"),
        ({"vda": "", "vda1": "", "zram0": "", "loop0": "", "sr0": ""}, "vda"),
        ({"nvme0n1": "", "nvme0n1p1": ""}, "nvme0n1"),
        ({"sda": VOLUME, "sdb": ""}, "sdb"),
    ],
)
def test_the_system_disk_is_found(devices: dict[str, str], chosen: str) -> None:
    done = choose(devices)

    assert (done.returncode, done.stdout) == (0, f"/dev/{chosen}\n"), done.stderr


@pytest.mark.parametrize(
    ("devices", "named"),
    [
        ({}, "none"),
        ({"sda": VOLUME}, "none"),
        ({"sda": "", "sdb": ""}, "/dev/sda /dev/sdb"),
        ({"sda": SYSTEM, "sdb": f"{SYSTEM}3"}, f"/dev/{SYSTEM} /dev/{SYSTEM}3"),
    ],
)
def test_in_doubt_none_is_taken(devices: dict[str, str], named: str) -> None:
    done = choose(devices)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"install: expected one system disk, found: {named}\n"
