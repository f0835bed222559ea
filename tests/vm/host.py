"""The host, on a container of the sandbox's or on a virtual machine: the same disk, address and identity."""

from __future__ import annotations

import json
import random
import shlex
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import inside, keys
from sandbox.machine import base
from sandbox.paths import namespace
from tests.e2e import machine
from tests.e2e.faults import host
from tests.e2e.faults.project import Project
from tests.e2e.stack import Stack
from tests.e2e.world import World
from tests.vm import accelerator, disks
from tests.vm.machine import QEMU, Machine

_INSTALLED = "installed"
_SWAP_MEGABYTES = 2048  # nix/memory.nix
_BOOT_SECONDS = 900
"""What a boot takes by TCG at most, with everything that it starts, beside other tests."""
_SSH = (
    *("-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=6"),
    # A login takes seconds by TCG.
    *("-o", "ControlMaster=auto", "-o", "ControlPersist=120"),
)


@dataclass
class Host(host.Host):
    """A host as the end-to-end tests have it, whose disk can be handed to a virtual machine and back."""

    folder: Path = field(kw_only=True)
    """For what belongs to the virtual machine."""
    vm: Machine = field(kw_only=True)

    # What the container's tests do by entering it, is done by SSH here.

    def shell(self, script: str, *arguments: str) -> str:
        """What a script prints on the host, as root. It has to succeed."""
        if not self.vm.running:
            return super().shell(script, *arguments)
        done = self.ssh(script, *arguments)
        assert done.returncode == 0, (script, done.stdout)
        return done.stdout

    def until(self, condition: str, seconds: int = 300) -> None:
        """Wait until a condition, a line of shell, holds on the host, over boots as well."""
        if not self.vm.running:
            super().until(condition, seconds)
            return
        deadline = time.monotonic() + seconds
        while self.ssh(condition).returncode != 0:
            assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
            time.sleep(0.5)

    def ssh(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a script on the host, as root, by SSH."""
        words = ["sudo", "sh", "-euc", script, "sh", *arguments]
        state = self.world.state
        options = (*_SSH, "-o", f"ControlPath={self.folder}/ssh")
        command = keys.ssh_command(self.outputs, shlex.join(words), options=options, state=state)
        return subprocess.run(
            inside.command(command, state),
            env=inside.environment(state),
            stdin=subprocess.DEVNULL,
            # The connection that later ones share would hold a pipe open.
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )

    def boot_id(self) -> str:
        """The kernel's name for this boot."""
        return self.shell("cat /proc/sys/kernel/random/boot_id").strip()

    def until_up(self) -> None:
        """Wait until everything that boots with the host has been started, well or not."""
        wait = "systemctl is-system-running --wait | grep -qx 'running\\|degraded'"
        self.until(wait, _BOOT_SECONDS)

    def reboot(self) -> None:
        """Reboot, and wait until the next boot is up."""
        before = self.boot_id()
        self.ssh("systemctl reboot")
        self.until(f'[ "$(cat /proc/sys/kernel/random/boot_id)" != {before} ]', _BOOT_SECONDS)
        self.until_up()

    def into_vm(self, name: str = "disk", *, uefi: bool = False, larger: int = 0) -> None:
        """Shut the container down, and boot a copy of its disk in the virtual machine.

        Args:
            name: of the copy.
            uefi: whether the firmware is UEFI, and not a BIOS.
            larger: by how many gigabytes the copy is larger.
        """
        self._container("shutdown", "off")
        copy = self.folder / f"{name}.img"
        _copy(self._disk, copy)
        disks.fill_esp(copy, self._disk.parent / "firmware")
        disks.swap(copy, _SWAP_MEGABYTES)
        self.vm.disk, self.vm.uefi = copy.with_suffix(".qcow2"), uefi
        disks.overlay(self.vm.disk, copy, larger)
        self.vm.start()

    def out_of_vm(self) -> None:
        """Take the power from the virtual machine, and boot its disk in the container."""
        self.vm.kill()
        self._forget_sessions()
        disks.flatten(self.vm.disk, self._disk)
        self._container("poweron", "running")
        machine.until_up(self.stack)

    def power_fails(self) -> None:
        """Cut the virtual machine's power, and give it back. What was not handed to the disk is lost."""
        self.vm.kill()
        self._forget_sessions()
        self.vm.start()

    def save(self) -> None:
        """Keep the virtual machine as it is, memory and all, with what Pulumi knows of the host."""
        name = self.vm.disk.stem
        self.vm.save(name)
        self._keep(name)

    def load(self, name: str) -> None:
        """Let the virtual machine go on where it was saved, and Pulumi know what it knew of the host then.

        Args:
            name: that of the copy which it had as its disk.
        """
        self.vm.kill()
        self._forget_sessions()
        if self.stack.server()["status"] != "off":
            self._container("shutdown", "off")
        self._restore(name)
        self.vm.disk, self.vm.uefi = self.folder / f"{name}.qcow2", False
        self.vm.start("-loadvm", name)
        self.until("true")

    def keep(self) -> None:
        """Keep the host as it is, with what Pulumi knows of it. It is in the container."""
        self._container("shutdown", "off")
        self._keep(_INSTALLED)
        _copy(self._disk, self.folder / f"{_INSTALLED}.img")
        self._container("poweron", "running")
        machine.until_up(self.stack)

    def back(self) -> None:
        """Go back to what was kept, in the container."""
        self.vm.kill()
        self._forget_sessions()
        if self.stack.server()["status"] != "off":
            self._container("shutdown", "off")
        self._restore(_INSTALLED)
        _copy(self.folder / f"{_INSTALLED}.img", self._disk)
        self._container("poweron", "running")
        machine.until_up(self.stack)

    @property
    def _disk(self) -> Path:
        return self.world.state / "machines" / str(self.vm.number) / "disk.img"

    def _keep(self, name: str) -> None:
        """Keep what Pulumi knows of the host."""
        (self.folder / name).mkdir(exist_ok=True)
        for source in self._known:
            _copy(source, self.folder / name / source.name)

    def _restore(self, name: str) -> None:
        for target in self._known:
            _copy(self.folder / name / target.name, target)
        self.project.reset()

    @property
    def _known(self) -> list[Path]:
        """What Pulumi is told of the stack, and what it remembers."""
        names = ("pulumi-state", "pins.json", self.stack.configuration.name)
        return [self.world.state / name for name in names]

    def _container(self, order: str, status: str) -> None:
        """Give the container an order, and wait until it has that status."""
        self.world.api("POST", f"/servers/{self.vm.number}/actions/{order}")
        deadline = time.monotonic() + 120
        while self.stack.server()["status"] != status:
            assert time.monotonic() < deadline, f"the container is not {status}"
            time.sleep(0.1)

    def _forget_sessions(self) -> None:
        """Break the SSH connections to what has lost its power: nobody else tells the laptop."""
        with suppress(AssertionError):
            machine.cut_sessions(self.stack)


def install(world: World, name: str = "vm") -> Host:
    """Install a host, with an owner and a library, in the container."""
    folder = world.state / "vm"
    folder.mkdir()
    project = Project(world.state / f"project-{name}")
    stack = Stack.make(world, name, project.path)
    installed = host.Host(stack, project)
    installed.settle()
    number = stack.server()["id"]
    spec: dict[str, Any] = json.loads(
        (world.state / "machines" / str(number) / "spec.json").read_text()
    )
    disks.usr(folder / "usr.img", world.state / "layers" / "instance")
    kernel = base.ROOTS / base.key() / "usr/lib/sandbox/vmlinuz"
    vm = Machine(
        folder,
        namespace(world.state),
        number,
        spec["mac"],
        folder / "disk.qcow2",
        folder / "usr.img",
        accelerator.choose(QEMU, kernel),
    )
    made = Host(
        stack,
        project,
        installed.identifier,
        installed.films,
        installed.sums,
        installed.outputs,
        folder=folder,
        vm=vm,
    )
    made.keep()
    return made


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    else:
        subprocess.run(["cp", "--sparse=always", str(source), str(target)], check=True)


@dataclass(frozen=True)
class Fallen:
    """The host in the virtual machine, after the kernel of its newest generation has panicked.

    Attributes:
        host: as it was saved, when the boot after that was up.
        system: the generation that ran before the change.
        schema: the version of Plex that its databases were for then.
    """

    host: Host
    system: str
    schema: str


@dataclass
class Moments:
    """Random moments, the same ones for the same seed."""

    seed: int

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - no secret

    def within(self, seconds: float) -> float:
        """A moment, in seconds from now, which is not later than that."""
        return self._random.uniform(0, seconds)
