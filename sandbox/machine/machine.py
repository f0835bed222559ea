"""One machine: a folder, a disk, a port, and, while it has power, a system that may reboot."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from sandbox.hetzner.machines import MachineSpec
from sandbox.machine import cgroups, disk, network
from sandbox.machine.layers import Layers
from sandbox.machine.run import environment

_FIRMWARE = Path(__file__).parent / "firmware.sh"
_REBOOTED = 133
"""How systemd-nspawn ends when the system in it wants to start again."""


_FIRMWARE_SECONDS = 300


class MachineError(Exception):
    """A machine could not be started, with the end of its console; or its disk not be resized."""


class Machine:
    """A server's body. Made by `create` or found again by its folder; one task at a time may command it."""

    def __init__(self, spec: MachineSpec, directory: Path, world: str, layers: Layers) -> None:
        """
        Args:
            directory: where everything of the machine lies.
            world: the name of the namespace that has the bridge.
            layers: what its roots are made of.
        """
        self.spec = spec
        self.name = f"{world}-m{spec.server_id}"
        self.stage: str | None = None
        """What booted last: "ubuntu", "installer", "installed" or "nothing"; None while there is no power."""
        self._directory = directory
        self._world = world
        self._layers = layers
        self._process: asyncio.subprocess.Process | None = None
        self._life: asyncio.Task[None] | None = None
        self._cutting = False

    @classmethod
    def load(cls, directory: Path, world: str, layers: Layers) -> Machine:
        """Find a machine again by its folder. It is off."""
        given = json.loads((directory / "spec.json").read_text())
        given["ssh_keys"] = tuple(given["ssh_keys"])
        return cls(MachineSpec(**given), directory, world, layers)

    @property
    def console(self) -> Path:
        """What the machine's systems wrote to their console, from the first boot on."""
        return self._directory / "console.log"

    @property
    def pid(self) -> int | None:
        """The process id of the system's PID 1, as this computer sees it; None while there is none."""
        if self._process is None:
            return None
        own = f"/proc/{self._process.pid}/task/{self._process.pid}/children"
        try:
            children = Path(own).read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    @property
    def had_power(self) -> bool:
        """Whether nobody has switched it off, so that it starts when the sandbox comes up again."""
        return self._power.exists()

    def running(self) -> bool:
        """Whether the machine has power. It has, while it reboots."""
        return self._life is not None and not self._life.done()

    async def prepare(self) -> None:
        """Make the folder and the disk, with the image on it. Does nothing if they are there."""
        if (self._directory / "spec.json").exists():
            return
        shutil.rmtree(self._directory, ignore_errors=True)
        hardware = self._directory / "firmware" / "dmi"
        hardware.mkdir(parents=True)
        for name, value in (
            ("sys_vendor", "Hetzner"),
            ("product_name", "vServer"),
            ("product_serial", str(self.spec.server_id)),
        ):
            (hardware / name).write_text(f"{value}\n")
        (self._directory / "network").touch()
        self.console.touch(mode=0o600)
        await disk.make(self._image, self.spec.disk_gigabytes, self._layers.base)
        self._save()

    async def power_on(self) -> None:
        """Start; returns when the firmware has chosen what boots. Does nothing if it is on.

        Raises:
            MachineError: the firmware failed.
        """
        if self.running():
            return
        self._power.touch()
        process = await self._start()
        self._life = asyncio.create_task(self._live(process))

    def shutdown(self) -> None:
        """Press the power button: ask the system to stop. Does nothing if it is off."""
        self._power.unlink(missing_ok=True)
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def reboot(self) -> None:
        """Press ctrl-alt-del: ask the system to restart. Does nothing if it is off."""
        if (pid := self.pid) is not None:
            with suppress(ProcessLookupError):
                # What a kernel does with these keys.
                os.kill(pid, signal.SIGINT)

    def resize(self, gigabytes: int) -> None:
        """Let the disk grow.

        Raises:
            MachineError: the machine is on, or the disk is larger already.
        """
        if self.running():
            raise MachineError(f"{self.spec.name} is on; its disk can only grow while it is off")
        if gigabytes < self.spec.disk_gigabytes:
            had = self.spec.disk_gigabytes
            raise MachineError(f"the disk of {self.spec.name} has {had} GB, more than {gigabytes}")
        disk.grow(self._image, gigabytes)
        self.spec = replace(self.spec, disk_gigabytes=gigabytes)
        self._save()

    async def power_off(self) -> None:
        """Cut the power; returns when nothing of it runs, is mounted or attached."""
        self._power.unlink(missing_ok=True)
        await self._cut()

    async def stop(self, seconds: float) -> None:
        """Shut down, and cut the power after `seconds`. The machine stays one that had power."""
        had_power = self.had_power
        if self.stage == "nothing":
            # Nobody is there who could stop of their own accord.
            seconds = 0
        self.shutdown()
        if self._life is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._life), seconds)
        await self._cut()
        if had_power:
            self._power.touch()

    async def delete(self) -> None:
        """Cut the power and remove everything."""
        await self.power_off()
        await asyncio.to_thread(shutil.rmtree, self._directory)

    def _save(self) -> None:
        made = self._directory / ".spec.json"
        made.touch(mode=0o600)
        made.write_text(json.dumps(asdict(self.spec)))
        made.rename(self._directory / "spec.json")

    @property
    def _image(self) -> Path:
        return self._directory / "disk.img"

    @property
    def _power(self) -> Path:
        return self._directory / "power"

    async def _live(self, process: asyncio.subprocess.Process) -> None:
        try:
            while await process.wait() == _REBOOTED and not self._cutting:
                await self._clear()
                process = await self._start()
        except MachineError:
            # Told on the console; to everybody else, the machine is off.
            pass
        # Whoever switched it off from inside did so for good.
        self._power.unlink(missing_ok=True)
        await self._clear()
        await self._unplug()

    async def _cut(self) -> None:
        if self._life is None:
            return
        self._cutting = True
        # It may be between two boots, where nothing is to be killed yet.
        while not self._life.done():
            # Its processes end one after the other, and without power none of them could tell anybody.
            await network.cut(self._world, self.spec.server_id)
            await cgroups.kill(self.name)
            await asyncio.wait([self._life], timeout=0.05)
        self._cutting = False
        life, self._life = self._life, None
        await life

    async def _clear(self) -> None:
        """End what is left of a run: processes, and with them the mounts."""
        await cgroups.kill(self.name)
        if self._process is not None:
            await self._process.wait()
        self._process = None
        self.stage = None
        await cgroups.remove(self.name)

    async def _unplug(self) -> None:
        await network.unplug(self._world, self.name, self.spec.server_id)
        await disk.detach(self._image)

    async def _start(self) -> asyncio.subprocess.Process:
        device = await disk.attach(self._image)
        await network.plug(self._world, self.name, self.spec)
        with self.console.open("ab") as console:
            process = await asyncio.create_subprocess_exec(
                "unshare",
                "--mount",
                "--propagation=slave",
                "sh",
                str(_FIRMWARE),
                *(str(layer) for layer in self._stack()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=console,
                env=self._environment(device),
                start_new_session=True,
            )
        self._process = process
        if process.stdout is not None:
            try:
                async with asyncio.timeout(_FIRMWARE_SECONDS):
                    self.stage = (await process.stdout.read()).decode().strip() or None
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
        if self.stage is None:
            await self._clear()
            await self._unplug()
            tail = self.console.read_text(errors="replace").splitlines()[-10:]
            raise MachineError(f"{self.spec.name} did not start:\n" + "\n".join(tail))
        return process

    def _stack(self) -> tuple[Path, ...]:
        layers = self._layers
        return layers.ubuntu, layers.installer, layers.instance, layers.base

    def _environment(self, device: str) -> dict[str, str]:
        return {
            **environment(),
            "NAME": self.name,
            "MACHINE": str(self._directory),
            "CGROUPS": " ".join(str(path) for path in cgroups.hierarchies()),
            "LOOP": device,
            "DISK_ID": f"scsi-0QEMU_QEMU_HARDDISK_{self.spec.server_id}",
            # Hetzner has servers with either, and tells nobody beforehand which one it will be.
            "FIRMWARE": "uefi" if self.spec.server_id % 2 else "bios",
        }
