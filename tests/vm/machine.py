"""A virtual machine: QEMU, with a port on the world's bridge."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qemu.qmp.legacy import QEMUMonitorProtocol

from tests.vm.accelerator import PROCESSORS

QEMU = "qemu-system-x86_64"
OVMF = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")

# Hetzner's servers have the same disk, network card and port for an agent. The last two are a watchdog, and a
# source of random numbers.
_HARDWARE = (
    *("-machine", "q35,accel={accelerator}", "-cpu", "{processor}"),
    *("-smp", "2", "-m", "1536", "-display", "none", "-nodefaults", "-no-user-config"),
    *("-device", "VGA", "-device", "virtio-scsi-pci"),
    *("-netdev", "tap,id=net,ifname={port},script=no,downscript=no"),
    *("-device", "virtio-net-pci,netdev=net,mac={mac}"),
    *("-device", "virtio-serial-pci", "-chardev", "null,id=agent"),
    *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
    *("-device", "i6300esb", "-action", "watchdog=reset", "-device", "virtio-rng-pci"),
)


@dataclass
class Machine:
    """One machine. Whoever makes it ends it by `kill`.

    Attributes:
        folder: for what belongs to it; it is there.
        namespace: the world's.
        number: a number of its own in the world, for its port and its disk's name.
        mac: its network card's address.
        disk: a qcow2 image, which it writes to.
        usr: the image of /usr.
        accelerator: QEMU's.
        uefi: whether its firmware is UEFI, and not a BIOS.
    """

    folder: Path
    namespace: str
    number: int
    mac: str
    disk: Path
    usr: Path
    accelerator: str
    uefi: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _monitor: QEMUMonitorProtocol | None = field(default=None, repr=False)

    @property
    def console(self) -> Path:
        """What its kernels have said, from its first boot on."""
        return self.folder / "console.log"

    @property
    def running(self) -> bool:
        """Whether it has power."""
        return self._process is not None and self._process.poll() is None

    def start(self, *more: str) -> None:
        """Switch it on.

        Args:
            more: further words for QEMU's command line, such as `-loadvm` and a name.
        """
        self._plug()
        # A drive's zeros take no room. What the guest has flushed, or handed over, outlives QEMU.
        drives: list[str] = []
        for name, options in (
            (self.disk, "format=qcow2,cache=writeback,discard=unmap,detect-zeroes=unmap"),
            (self.usr, "format=raw,readonly=on"),
        ):
            drive = f"drive{len(drives)}"
            drives += ["-drive", f"if=none,id={drive},file={name},{options}"]
            drives += ["-device", f"scsi-hd,drive={drive},serial={self.number}-{drive}"]
        firmware = ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}"] if self.uefi else []
        told = {
            "accelerator": self.accelerator,
            "processor": PROCESSORS[self.accelerator],
            "port": self._port,
            "mac": self.mac,
        }
        socket = self.folder / "monitor"
        socket.unlink(missing_ok=True)
        command = [
            *("ip", "netns", "exec", self.namespace, QEMU),
            *(word.format(**told) for word in _HARDWARE),
            *drives,
            *firmware,
            *("-chardev", f"file,id=console,path={self.console},append=on"),
            *("-serial", "chardev:console", "-qmp", f"unix:{socket}"),
            *more,
        ]
        monitor = QEMUMonitorProtocol(str(socket), server=True)
        with (self.folder / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        monitor.accept(300)  # it loads what was saved before it greets
        self._monitor = monitor

    def kill(self) -> None:
        """Cut the power. Does nothing if there is none."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._monitor is not None:
            with suppress(Exception):  # its end has gone
                self._monitor.close()
        self._process = self._monitor = None
        with suppress(subprocess.CalledProcessError):
            self._ip("link", "delete", self._port)

    def save(self, name: str) -> None:
        """Keep memory, devices and disk under a name, in the disk's image."""
        self._order(f"savevm {name}")

    def until_off(self, seconds: float = 900) -> None:
        """Wait until it has switched itself off."""
        assert self._process is not None
        self._process.wait(seconds)
        self.kill()

    def until_said(self, text: str, seconds: float = 900) -> None:
        """Wait until its console has that text."""
        deadline = time.monotonic() + seconds
        while text not in self.said():
            assert time.monotonic() < deadline, f"{text!r} was not said:\n{self.said()[-3000:]}"
            time.sleep(0.1)

    def said(self) -> str:
        """All of its console."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    @property
    def _port(self) -> str:
        return f"v{self.number}"

    def _plug(self) -> None:
        with suppress(subprocess.CalledProcessError):
            self._ip("link", "delete", self._port)
        self._ip("tuntap", "add", self._port, "mode", "tap")
        self._ip("link", "set", self._port, "master", "switch")
        self._ip("link", "set", self._port, "type", "bridge_slave", "isolated", "on")
        self._ip("link", "set", self._port, "up")

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", "-n", self.namespace, *words], check=True, capture_output=True)

    def _order(self, line: str) -> None:
        answer = self._ask("human-monitor-command", **{"command-line": line})
        assert not answer, answer

    def _ask(self, command: str, **arguments: Any) -> Any:
        assert self._monitor is not None
        return self._monitor.cmd(command, **arguments)
