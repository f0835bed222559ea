"""From a running kernel into the installer's, by nix/host/kexec.sh and the real kexec."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from components.rendering import NIX
from sandbox.machine import base
from sandbox.paths import REPO
from tests.vm import disks
from tests.vm.host import Host
from tests.vm.machine import Machine

pytestmark = pytest.mark.heavy

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFA8SgsxrT9I8vUf7hfFLyUxJ/i4WNZChRNniOj6ZjCZ deploy"
# What the installer's kernel starts. What was carried over lies beside it, as in nixos-images' installer.
_INSTALLER = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs devtmpfs /dev
exec >/dev/ttyS0
echo "installer: $(/bin/busybox cat /proc/cmdline)"
echo "installer: $(/bin/busybox cat /ssh/authorized_keys)"
/bin/busybox poweroff -f
"""
# The first system, as far as kexec.sh has one: PID 1 waits for it.
_FIRST = """#!/bin/sh
mount -t tmpfs tmpfs /tmp
echo "first: $(cat /proc/cmdline)" >/dev/ttyS0
sh /root/kexec.sh
cat /root/kexec.log >/dev/ttyS0
poweroff -f
"""
# Everything of the base but /usr, which is a disk of its own; and the two RAM disks. Usage: BASE FOLDER
_MAKE = """
mkdir "$2/root" "$2/ram"
for each in "$1"/*; do
  case ${each##*/} in
    usr) mkdir "$2/root/usr" ;;
    dev | proc | run | sys | tmp) mkdir "$2/root/${each##*/}" ;;
    *) cp -a "$each" "$2/root/" ;;
  esac
done
mkdir -p "$2/ram/bin" "$2/kexec"
cp "$1/usr/bin/busybox" "$2/ram/bin/"
cp "$2/installer" "$2/ram/init"
cp "$1/usr/lib/sandbox/vmlinuz" "$2/kexec/bzImage"
cp "$1/usr/sbin/kexec" "$2/kexec/kexec"
mount --bind "$2" "$1/mnt"
chroot "$1" sh -euc 'cd /mnt/ram; find . | cpio -o -H newc --quiet >../kexec/initrd'
chroot "$1" /usr/lib/sandbox/initrd/make /mnt/initrd ext4 sd_mod virtio_pci virtio_scsi
"""


def test_the_installers_kernel_starts_with_the_keys(installed: Host, tmp_path: Path) -> None:
    root = base.ROOTS / base.key()
    (tmp_path / "installer").write_text(_INSTALLER)
    (tmp_path / "installer").chmod(0o755)
    command = ("unshare", "--mount", "sh", "-euc", _MAKE, "sh", str(root), str(tmp_path))
    subprocess.run(command, check=True)
    for program in ("ip", "run"):
        source = REPO / "sandbox/machine/installer/kexec" / program
        (tmp_path / "kexec" / program).write_bytes(source.read_bytes())
        (tmp_path / "kexec" / program).chmod(0o755)
    home = tmp_path / "root/root"
    tar = ("tar", "-czf", str(home / "served.tar.gz"), "-C", str(tmp_path), "kexec")
    subprocess.run(tar, check=True)
    digest = hashlib.sha256((home / "served.tar.gz").read_bytes()).hexdigest()
    (home / "installer").write_text(f"url=file:///root/served.tar.gz\nsha256={digest}\n")
    (home / "kexec.sh").write_text((NIX / "host/kexec.sh").read_text())
    (home / ".ssh").mkdir(exist_ok=True)
    (home / ".ssh/authorized_keys").write_text(f"{_KEY}\n")
    key = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / "install_host_key"))
    subprocess.run(key, check=True)
    (tmp_path / "root/etc/os-release").unlink(missing_ok=True)
    (tmp_path / "root/etc/os-release").write_text("ID=ubuntu\n")
    (tmp_path / "root/first").write_text(_FIRST)
    (tmp_path / "root/first").chmod(0o755)
    image = ("mkfs.ext4", "-q", "-L", "nixos", "-d", str(tmp_path / "root"))
    subprocess.run((*image, str(tmp_path / "root.img"), "1G"), check=True)
    disks.overlay(tmp_path / "root.qcow2", tmp_path / "root.img", 0)
    first = Machine(
        tmp_path,
        installed.vm.namespace,
        9,
        "96:00:00:00:00:09",
        tmp_path / "root.qcow2",
        installed.vm.usr,
        installed.vm.accelerator,
    )
    kernel = ("-kernel", str(tmp_path / "kexec/bzImage"), "-initrd", str(tmp_path / "initrd"))
    try:
        first.start(*kernel, "-append", "console=ttyS0 init=/first")
        first.until_off()
    finally:
        first.kill()
    said = first.said()
    assert "first: console=ttyS0 init=/first" in said
    assert "installer: init=/init console=ttyS0" in said, said[-3000:]
    assert f"installer: {_KEY}" in said
