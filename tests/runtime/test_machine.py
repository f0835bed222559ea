"""Machines: their whole lives, side by side; what they meet in the world; and nothing left."""

from __future__ import annotations

import asyncio
import hashlib
import re
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from components.pins import Pin
from components.server import user_data
from sandbox.hetzner.machines import FirewallRule, MachineSpec
from sandbox.machine import base, cgroups, disk, layers
from sandbox.machine.fleet import Fleet, cleanup
from sandbox.machine.installer.tarball import tarball
from sandbox.machine.machine import MachineError
from sandbox.nixpkgs import tarball as nixpkgs
from tests import logs
from tests.runtime.machine.world import URL, Shell, World
from tests.runtime.machine.world import spec as of_world

_FILES = Path(__file__).parent / "machine"

USER_DATA = """#cloud-config
bootcmd:
  - "ss -Hltn sport = :22 >/root/listening-at-bootcmd"
  - echo bootcmd >>/root/order
write_files:
  - path: /root/written
    append: true
    content: "written\\n"
  - path: /var/lib/cloud/scripts/per-boot/each
    permissions: "0700"
    content: |
      #!/bin/sh
      cat /root/written >>/root/order
      echo per-boot >>/root/order
runcmd:
  - "systemctl is-active multi-user.target >/root/at-runcmd"
  - echo runcmd >>/root/order
"""


@dataclass(frozen=True)
class Place:
    """Where a machine lives, for as long as a test looks."""

    world: World
    fleet: Fleet

    def spec(self, server_id: int, data: str = USER_DATA) -> MachineSpec:
        """A server that the test may log in to."""
        return of_world(server_id, data, self.world.public_key)

    def stage(self, server_id: int) -> str | None:
        """What booted last."""
        return self.fleet.machine(server_id).stage

    async def reaches(self, server_id: int, stage: str | None) -> None:
        """Wait for what the firmware decides; no event tells it to anybody outside."""
        async with asyncio.timeout(300):
            while self.stage(server_id) != stage:
                await asyncio.sleep(0.02)

    async def enter_installer(self, one: MachineSpec) -> Shell:
        """From Ubuntu by kexec; the installer has the host keys that Ubuntu had."""
        await self.world.shell(one)(f"{FETCH}\nkexec/run && sleep 60")
        await self.reaches(one.server_id, "installer")
        return self.world.shell(one, pinned=True)


FETCH = "cd /root && curl -fsS $WORLD/installer.tar.gz | tar -xz"


async def from_creation_to_the_end(place: Place) -> None:
    """Ubuntu, the installer, a NixOS that grows and is told to start again; this machine has UEFI."""
    fleet, one = place.fleet, place.spec(1)
    await fleet.create(one)
    installer = await place.enter_installer(one)
    assert (await installer("hostname; . /etc/os-release; echo $VARIANT_ID")).split() == [
        "nixos-installer",
        "installer",
    ]
    assert await installer("cat /proc/swaps | wc -l") == "1\n"

    said = await installer((_FILES / "install.sh").read_text())
    assert "installing the GRUB 2 boot loader" in said
    await installer("systemd-run --on-active=0.1 systemctl reboot")
    await place.reaches(1, "installed")
    about = ". /etc/os-release; echo $ID; cat /var/kept; findmnt -no FSTYPE /; readlink /proc/1/exe"
    installed = place.world.shell(one, pinned=True)
    assert (await installed(about)).split() == [
        *("nixos", "kept", "ext4", "/usr/lib/systemd/systemd")
    ]
    assert (await installed("ls /dev/disk/by-label/")).split() == ["ESP", "nixos"]
    await a_careless_system(installed)

    # Pressed keys make the system restart in order, with the power on all the time.
    boot = await installed("echo more >>/var/kept; cat /proc/sys/kernel/random/boot_id")
    await fleet.reboot(1)
    assert (await installed.after(boot, "cat /var/kept")).split() == ["kept", "more"]
    console = fleet.machine(1).console.read_text(errors="replace")
    assert console.count("Reached target reboot.target") == 2

    # Off by its own decision; then the disk grows, and with it what is on it.
    with pytest.raises(MachineError, match="while it is off"):
        await fleet.resize(1, 30)
    small = int(await installed("df --output=size --block-size=1G / | tail -n 1"))
    await installed("systemd-run --on-active=0.1 systemctl poweroff")
    async with asyncio.timeout(300):
        while fleet.running(1):
            await asyncio.sleep(0.02)
    await fleet.reboot(1)
    assert not fleet.running(1)
    with pytest.raises(MachineError, match="has 20 GB"):
        await fleet.resize(1, 10)
    await fleet.resize(1, 30)
    await fleet.power_on(1)
    assert place.stage(1) == "installed"
    large = int(await installed("df --output=size --block-size=1G / | tail -n 1"))
    assert large - small in (9, 10)
    found = await installed("cat /var/kept; systemctl list-units --failed --no-legend --plain")
    assert found.split() == ["kept", "more"]
    # This computer's, with all that runs on it, is not the machine's.
    assert await installed("cat /proc/loadavg") == "0.08 0.03 0.01 1/99 99\n"
    await fleet.power_off(1)
    assert not fleet.running(1)
    await fleet.delete(1)


async def a_careless_system(installed: Shell) -> None:
    """An installed system that runs the real cloud-init, which takes the first user data for its own."""
    pin = Pin(url="https://github.com/installer.tar.gz", sha256="0" * 64)
    state = "cat /proc/sys/kernel/random/boot_id /etc/ssh/ssh_host_ed25519_key; systemctl is-active sshd"
    before = await installed(state)
    said = await installed(f"""
      exec 2>&1
      seed=/var/lib/cloud/seed/nocloud
      mkdir -p /etc/cloud $seed
      cat >/etc/cloud/cloud.cfg <<'END'
{(_FILES / "careless.cfg").read_text()}
END
      echo 'instance-id: "1"' >$seed/meta-data
      cat >$seed/user-data <<'END'
{user_data("KEY", pin)}
END
      PATH=$PATH:/usr/bin:/usr/sbin
      cloud-init --debug init --local && cloud-init --debug init
      cloud-init --debug modules --mode config
      cloud-init --debug modules --mode final
    """)
    for module in ("bootcmd", "write_files", "ssh", "scripts_per_boot"):
        assert re.search(rf"finish: \S+/config-{module}: SUCCESS", said), module
    assert "this is nixos, not Ubuntu; nothing is done" in said
    # The host key, sshd, and the boot are what they were.
    assert await installed(state) == before
    assert (
        await installed("ls -d /root/installer.tar.gz /root/kexec /root/kexec.failed || true") == ""
    )


async def power_cuts(place: Place) -> None:
    """Before the new partitions, after them, and what helps then; this machine has a BIOS."""
    fleet, one = place.fleet, place.spec(2)
    await fleet.create(one)
    shell = place.world.shell(one)

    # Ubuntu, by the real cloud-init: bootcmd before sshd listens, runcmd when the system is up.
    said = await shell("cloud-init status --wait; . /etc/os-release; echo $ID $(hostname)")
    assert said.splitlines()[-1] == "ubuntu machine-2"
    assert await shell("cat /root/listening-at-bootcmd") == ""
    assert await shell("cat /root/at-runcmd") == "active\n"
    first = ["bootcmd", "written", "per-boot", "runcmd"]
    assert (await shell("cat /root/order")).split() == first
    assert (await shell("cloud-id; echo root=; cat /root/.ssh/authorized_keys")).split()[
        0
    ] == "hetzner"
    # The network as the metadata service has it.
    addresses = await shell("ip -brief address show eth0; ip -4 route; ip -6 route show default")
    assert "203.0.113.2/32" in addresses
    assert "2001:db8:2::1/64" in addresses
    assert "default via 172.31.1.1" in addresses
    assert "default via fe80::1 dev eth0 proto static" in addresses
    metadata = "curl -fsS -g http://[fe80::a9fe:a9fe%25eth0]/hetzner/v1/metadata/instance-id"
    assert await shell(metadata) == "2"
    keys = await shell("cat /etc/ssh/ssh_host_*")

    # The installer lives in memory: a cut goes back to the disk, where the once-only things are not repeated.
    installer = await place.enter_installer(one)
    await installer("echo lost >/root/lost")
    await fleet.reset(2)
    assert place.stage(2) == "ubuntu"
    again = await shell("cloud-init status --wait >/dev/null; cat /root/order")
    assert again.split() == [*first, "bootcmd", "written", "per-boot"]
    assert await shell("cat /etc/ssh/ssh_host_*") == keys

    # With a new partition table there is no boot loader, wherever Ubuntu's files may be; and nobody whom the
    # power button tells anything.
    installer = await place.enter_installer(one)
    assert "lost" not in await installer("ls /root")
    await installer("sgdisk --zap-all /dev/sda; sgdisk --new=1:528384:0 /dev/sda; blkid /dev/sda1")
    await fleet.reset(2)
    assert place.stage(2) == "nothing"
    await fleet.shutdown(2)
    assert not await asyncio.to_thread(place.world.connects, "203.0.113.2", 22)
    assert fleet.running(2)
    assert "no bootable device" in fleet.machine(2).console.read_text()

    # Rebuilt, it is as new: another disk, other keys, and everything is done that is done once.
    await fleet.rebuild(one)
    assert place.stage(2) == "ubuntu"
    new = place.world.shell(one)
    assert (await new("cloud-init status --wait >/dev/null; cat /root/order")).split() == first
    assert await new("cat /etc/ssh/ssh_host_*") != keys
    assert (await new("ls /dev/disk/by-label")).split() == ["UEFI", "cloudimg-rootfs"]
    await fleet.delete(2)


async def what_the_installer_takes_along(place: Place) -> None:
    """What kexec/run carries over, where it puts it, and the two ways in which it does not get anywhere."""
    one = place.spec(3, "#cloud-config\nssh_genkeytypes: [rsa, ed25519]\n")
    await place.fleet.create(one)
    ubuntu = place.world.shell(one)
    await ubuntu("cloud-init status --wait")
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"
    before = await ubuntu(
        f"""{FETCH}
        echo 'no-pty,command="echo closed" {other}one first' >>.ssh/authorized_keys
        echo '{other}two second' >.ssh/authorized_keys2
        mkdir -p /etc/ssh/authorized_keys.d && echo '{other}six third' >/etc/ssh/authorized_keys.d/root
        cat /etc/ssh/ssh_host_* /etc/machine-id"""
    )
    # Here the computer's memory is said to be too small for the newer system call.
    await ubuntu("touch /run/sandbox/no-kexec-file-load")
    with pytest.raises(AssertionError, match="kexec_file_load failed"):
        await ubuntu("/root/kexec/run")
    # Whoever called it has ended long before the jump.
    await ubuntu("(/root/kexec/run --kexec-extra-flags --kexec-syscall)")
    boot = await ubuntu("cat /proc/sys/kernel/random/boot_id")
    await ubuntu("while pgrep -f 'sleep 6 &&' >/dev/null; do sleep 0.1; done")
    assert await ubuntu("cat /proc/sys/kernel/random/boot_id") == boot

    await ubuntu("/root/kexec/run --kexec-extra-flags --kexec-syscall && sleep 60")
    await place.reaches(3, "installer")
    installer = place.world.shell(one, pinned=True)
    assert await installer("cat /etc/ssh/ssh_host_* /etc/machine-id") == before
    keys = (await installer("cat /root/.ssh/authorized_keys")).splitlines()
    assert keys == [
        place.world.public_key,
        *(f"{other}{name}" for name in ("one first", "two second", "six third")),
    ]
    network = (await installer("cat /etc/systemd/network/00-eth0.network")).splitlines()
    for line in ("MACAddress=96:00:00:00:00:03", "DHCP=yes", "Address=2001:db8:3::1/64"):
        assert line in network
    assert "Gateway=fe80::1" in network
    assert not [line for line in network if "203.0.113.3/" in line or "172.31.1.1" in line]
    assert "RequestAddress=203.0.113.3" in network
    for folder, refusal in (
        ("chmod 700", "should have permissions"),
        ("chown 1", "belong to root"),
    ):
        await installer(f"mkdir -p -m 755 /tmp/mnt && chmod 755 /tmp/mnt && {folder} /tmp/mnt")
        with pytest.raises(AssertionError, match=refusal):
            await installer("nixos-install --root /tmp/mnt --system /nix/store/none")
    await place.fleet.delete(3)


async def by_the_programs_user_data(place: Place) -> None:
    """From creation into the installer without help, where one of the two system calls does not work."""
    key = place.world.directory / "install-key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    pin = Pin(url=f"{URL}/installer.tar.gz", sha256=hashlib.sha256(tarball()).hexdigest())
    config = yaml.safe_load(user_data(key.read_text(), pin))
    config["bootcmd"].insert(0, "touch /run/sandbox/no-kexec-file-load")
    one = place.spec(4, "#cloud-config\n" + yaml.safe_dump(config))
    await place.fleet.create(one)
    await place.reaches(4, "installer")
    installer = place.world.shell(one)
    assert await installer("cat /etc/ssh/ssh_host_*_key.pub") == key.with_suffix(".pub").read_text()
    await place.fleet.delete(4)


async def behind_their_firewalls(place: Place) -> None:
    """Two machines, the world and each other, and what of it may pass."""
    world, fleet = place.world, place.fleet
    one, two = place.spec(6), place.spec(7)
    everybody = ("0.0.0.0/0", "::/0")
    ssh = FirewallRule("in", "tcp", "22", everybody)

    await fleet.firewall(6, (ssh, FirewallRule("in", "icmp", None, everybody)))
    await fleet.firewall(7, (ssh,))
    await asyncio.gather(fleet.create(one), fleet.create(two))
    for each in (one, two):
        shell = world.shell(each)
        assert (await shell("hostname")) == f"{each.name}\n"
        await shell("systemd-run python3 -m http.server --bind :: 80")
        await shell("until ss -Hltn sport = :80 | grep -q .; do sleep 0.02; done")

    # What no rule names is dropped, from the world and from the neighbour; answers come in.
    assert not world.connects("2001:db8:6::1", 80)
    assert world.connects("2001:db8:6::1", 22, 20)
    shell = world.shell(two)
    dial = "curl -s --max-time {} http://[2001:db8:6::1]:{}/ >/dev/null; echo $?"
    assert (await shell(dial.format(1, 80))) == "28\n"
    assert (await shell(dial.format(20, 22))) == "1\n"
    assert (await shell("curl -fsS $WORLD/ >/dev/null; echo $?")) == "0\n"

    assert world.pings("2001:db8:6::1", 20)
    assert not world.pings("2001:db8:7::1")

    # The machine cannot open it, a rule does, and no firewall lets everything in.
    await world.shell(one)("nft flush ruleset")
    assert not world.connects("2001:db8:6::1", 80)
    await fleet.firewall(6, (ssh, FirewallRule("in", "tcp", "80-81", ("2001:db8::/32",))))
    assert world.connects("2001:db8:6::1", 80, 20)
    await fleet.firewall(7, None)
    assert world.connects("2001:db8:7::1", 80, 20)

    await fleet.delete(6)
    assert (await shell("hostname")) == "machine-7\n"
    await fleet.delete(7)


LIVES: tuple[Callable[[Place], Awaitable[None]], ...] = (
    from_creation_to_the_end,
    power_cuts,
    what_the_installer_takes_along,
    by_the_programs_user_data,
    behind_their_firewalls,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A network of its own with what a machine asks for, and this test's key."""
    with World(tmp_path_factory.mktemp("world")) as made, logs.told(made.consoles):
        made.serve("installer.tar.gz", tarball())
        made.serve("nixpkgs.tar.xz", nixpkgs.make(nixpkgs.RELEASE).content)
        made.serve("configuration.nix", (_FILES / "configuration.nix").read_bytes())
        yield made


@pytest.fixture(scope="module")
def roots(world: World) -> layers.Layers:
    """The layers above the cached base; the first run on a computer makes the base."""
    began = time.monotonic()
    root = asyncio.run(base.ensure(print))
    # Said in any case: the first run on a computer downloads the whole base.
    print(f"the base took {time.monotonic() - began:.1f} s")  # noqa: T201
    return layers.make(root, world.directory / "layers", world.certificate, None)


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """One event loop, in which machines live from call to call."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def fleet(world: World, roots: layers.Layers, loop: asyncio.Runner) -> Iterator[Fleet]:
    """No machine yet; whatever a test leaves goes afterwards."""
    machines = Fleet(world.directory / "machines", world.name, roots)
    yield machines
    loop.run(machines.close())
    loop.run(cleanup(world.directory / "machines", world.name, disks=True))


def leftovers(world: World) -> list[str]:
    """Everything of this world's machines that the computer still has."""
    folder = str(world.directory / "machines")
    found = [f"group {name}" for name in cgroups.names(f"{world.name}-m")]
    found += [str(path) for path in Path("/run/netns").glob(f"{world.name}-m*")]
    found += [f"loop {name}" for name in disk.attached(Path(folder))]
    for device in Path("/sys/block").glob("loop*"):
        attached = device / "loop" / "backing_file"
        if not attached.exists():
            left = [str(partition) for partition in device.glob(f"{device.name}p*")]
            found += left if not attached.exists() else []  # another's, since a moment ago
    found += [str(path) for path in Path(folder).rglob("*")]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            mounted = folder in (process / "mountinfo").read_text()
            named = f"{world.name}-m".encode() in (process / "cmdline").read_bytes()
        except OSError:
            continue
        if mounted or named:
            found.append(f"process {process.name}")
    links = world.run("ip", "-brief", "link", "show", "master", "switch").split("\n")
    tables = world.run("nft", "list", "tables", "inet").split("\n")
    return found + [line for line in (*links, *tables) if line]


@pytest.fixture(scope="module")
def lives(
    world: World, roots: layers.Layers
) -> Iterator[Callable[[Callable[[Place], Awaitable[None]]], None]]:
    """Awaits the end of one life. All of them begin at once, since they mostly wait."""
    with asyncio.Runner() as runner:
        place = Place(world, Fleet(world.directory / "machines", world.name, roots))

        async def all_at_once() -> dict[object, asyncio.Task[None]]:
            return {life: asyncio.ensure_future(life(place)) for life in LIVES}

        tasks = runner.run(all_at_once())

        async def ends(life: object) -> None:
            await tasks[life]

        async def cancelled() -> None:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

        yield lambda life: runner.run(ends(life))
        runner.run(cancelled())
        well = all(not task.cancelled() and not task.exception() for task in tasks.values())
        left = leftovers(world) if well else []
        runner.run(place.fleet.close())
        runner.run(cleanup(world.directory / "machines", world.name, disks=True))
        assert left == []


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
@pytest.mark.heavy
def test_life(
    lives: Callable[[Callable[[Place], Awaitable[None]]], None],
    life: Callable[[Place], Awaitable[None]],
) -> None:
    lives(life)


def test_machines_outlive_the_sandbox(
    world: World, roots: layers.Layers, fleet: Fleet, loop: asyncio.Runner
) -> None:
    one = Place(world, fleet).spec(8)
    loop.run(fleet.create(one))
    shell = world.shell(one)
    loop.run(shell("echo kept >/root/kept; sync"))
    loop.run(fleet.close())
    assert not fleet.running(8)

    later = Fleet(world.directory / "machines", world.name, roots)
    loop.run(later.resume())
    assert later.running(8)
    assert loop.run(world.shell(one, pinned=True)("cat /root/kept")) == "kept\n"

    # Whoever held the machines is gone without a word: they are found by name.
    loop.run(cleanup(world.directory / "machines", world.name, disks=True))

    async def gone() -> None:
        async with asyncio.timeout(300):
            while later.running(8):
                await asyncio.sleep(0.02)

    loop.run(gone())
    assert [each for each in leftovers(world) if "table" not in each] == []


def test_more_disks_than_a_computer_has_loop_devices_for(
    tmp_path: Path, loop: asyncio.Runner
) -> None:
    images = [tmp_path / f"{number}.img" for number in range(12)]
    for image in images:
        image.write_bytes(bytes(1024 * 1024))

    async def all_at_once() -> None:
        devices = await asyncio.gather(*(disk.attach(image) for image in images))
        assert len(set(devices)) == 12
        await asyncio.gather(*(disk.detach(image) for image in images))

    loop.run(all_at_once())
    assert disk.attached(tmp_path) == []


def test_a_machine_that_cannot_start_says_why(
    world: World, roots: layers.Layers, loop: asyncio.Runner
) -> None:
    broken = layers.Layers(roots.base, world.directory / "gone", roots.ubuntu, roots.installer)
    fleet = Fleet(world.directory / "machines", world.name, broken)
    with pytest.raises(Exception, match=r"machine-9 did not start:\n.*gone"):
        loop.run(fleet.create(Place(world, fleet).spec(9)))
    assert not fleet.running(9)
    loop.run(fleet.delete(9))
    assert leftovers(world) == []


def test_the_tarball_is_the_same_each_time() -> None:
    assert tarball() == tarball()
    names = subprocess.run(["tar", "-tz"], input=tarball(), capture_output=True, check=True)
    assert names.stdout.decode().split() == [
        f"kexec/{name}" for name in ("bzImage", "initrd", "ip", "kexec", "run")
    ]
