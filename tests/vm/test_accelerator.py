"""Whether a kernel comes up is told by booting one."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import prepare
from sandbox.machine import base
from tests.vm import accelerator
from tests.vm.machine import QEMU

pytestmark = pytest.mark.heavy


def test_a_kernel_comes_up_where_qemu_emulates_all_of_it() -> None:
    prepare.base_root(print)
    kernel = base.ROOTS / base.key() / "usr/lib/sandbox/vmlinuz"
    assert accelerator.boots(QEMU, kernel, "tcg")


def test_what_is_no_kernel_does_not(tmp_path: Path) -> None:
    (tmp_path / "bzImage").write_bytes(bytes(4096))
    assert not accelerator.boots(QEMU, tmp_path / "bzImage", "tcg")
