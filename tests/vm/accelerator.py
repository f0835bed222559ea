"""Which of QEMU's accelerators runs a kernel here."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

PROCESSORS = {"kvm": "host", "tcg": "Westmere"}
"""The processor that a machine has. QEMU 7.2 emulates newer ones with mistakes that no kernel survives."""
_SECONDS = {"kvm": 15, "tcg": 180}
# All that there is to be seen of a kernel that has come up and finds no disk.
_UP = "Kernel panic - not syncing: VFS: Unable to mount root fs"


def boots(qemu: str, kernel: Path, accelerator: str) -> bool:
    """Whether a kernel comes up by it, as far as it can without a disk.

    A device that answers is no proof: where KVM is emulated itself, a kernel hangs before its first word.

    Args:
        qemu: the program.
        kernel: a bzImage.
        accelerator: `kvm` or `tcg`.
    """
    with TemporaryDirectory(prefix="trial-boot-") as folder:
        console = Path(folder, "console")
        machine = ("-machine", f"q35,accel={accelerator}", "-cpu", PROCESSORS[accelerator])
        command = [
            *(qemu, *machine, "-smp", "2", "-m", "512"),
            *("-display", "none", "-nodefaults", "-no-user-config", "-no-reboot"),
            *("-serial", f"file:{console}", "-kernel", str(kernel)),
            *("-append", "console=ttyS0 panic=-1"),
        ]
        try:
            subprocess.run(command, capture_output=True, timeout=_SECONDS[accelerator], check=False)
        except subprocess.TimeoutExpired:
            return False
        return console.exists() and _UP in console.read_text(errors="replace")


@cache
def choose(qemu: str, kernel: Path) -> str:
    """The fastest that runs a kernel: `kvm` where that works, else `tcg`, which always does."""
    return "kvm" if Path("/dev/kvm").exists() and boots(qemu, kernel, "kvm") else "tcg"
