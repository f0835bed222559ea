"""Whether a kernel comes up is told by booting one."""

from __future__ import annotations

from pathlib import Path

from sandbox.machine import base
from tests.vm import accelerator
from tests.vm.machine import QEMU

KERNEL = base.ROOTS / base.key() / "usr/lib/sandbox/vmlinuz"


def test_a_kernel_comes_up_where_qemu_emulates_all_of_it() -> None:
    assert accelerator.boots(QEMU, KERNEL, "tcg")


def test_what_is_no_kernel_does_not(tmp_path: Path) -> None:
    (tmp_path / "bzImage").write_bytes(bytes(4096))
    assert not accelerator.boots(QEMU, tmp_path / "bzImage", "tcg")
