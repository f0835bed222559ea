"""A machine's whole life: Ubuntu, the kexec stand-in, the installer, an installed disk, and nothing left."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.hetzner.machines import FirewallRule, MachineSpec
from sandbox.machine import base, cgroups, disk, layers
from sandbox.machine.fleet import Fleet, cleanup
from sandbox.machine.installer.tarball import tarball
from tests.runtime.machine.world import World

USER_DATA = """#cloud-config
bootcmd:
  - "ss -Hltn sport = :22 >/root/listening-at-bootcmd"
runcmd:
  - "systemctl is-active multi-user.target >/root/at-runcmd"
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A bridge in a namespace of its own, and this test's key."""
    with World(tmp_path_factory.mktemp("world")) as made:
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
    for console in (world.directory / "machines").glob("*/console.log"):
        print(console.read_text(errors="replace")[-6000:])  # noqa: T201 # shown when a test fails
    loop.run(cleanup(world.directory / "machines", world.name, disks=True))


def spec(world: World, server_id: int, user_data: str = USER_DATA) -> MachineSpec:
    """A server with IPv6 only: the namespace has no DHCP."""
    return MachineSpec(
        server_id=server_id,
        name=f"machine-{server_id}",
        image="ubuntu-24.04",
        user_data=user_data,
        ssh_keys=(world.public_key,),
        ipv4=None,
        ipv6_network=f"2001:db8:{server_id}::/64",
        mac=f"96:00:00:00:00:{server_id:02x}",
        disk_gigabytes=20,
    )


def leftovers(world: World) -> list[str]:
    """Everything of this world's machines that the computer still has."""
    folder = str(world.directory / "machines")
    found = [f"group {name}" for name in cgroups.names(f"{world.name}-m")]
    found += [str(path) for path in Path("/run/netns").glob(f"{world.name}-m*")]
    found += [f"loop {name}" for name in disk.attached(Path(folder))]
    for device in Path("/sys/block").glob("loop*"):
        if not (device / "loop" / "backing_file").exists():
            found += [str(partition) for partition in device.glob(f"{device.name}p*")]
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
    tables = world.run("nft", "list", "tables").split("\n")
    return found + [line for line in (*links, *tables) if line]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the firmware decides; no event tells it to anybody outside."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def test_a_machine_from_its_creation_to_its_end(
    world: World, fleet: Fleet, loop: asyncio.Runner
) -> None:
    one = spec(world, 1)
    loop.run(fleet.create(one))
    machine = fleet.machine(1)

    # Ubuntu, by the real cloud-init: bootcmd before sshd listens, runcmd when the system is up.
    shell = world.shell(one)
    said = loop.run(shell("cloud-init status --wait; . /etc/os-release; echo $ID $(hostname)"))
    assert said.splitlines()[-1] == "ubuntu machine-1"
    assert loop.run(shell("cat /root/listening-at-bootcmd")) == ""
    assert loop.run(shell("cat /root/at-runcmd")) == "active\n"

    async def kexec() -> None:
        world.serve("installer.tar.gz", tarball())
        await shell(
            "cd /root && curl -fsS $WORLD/installer.tar.gz | tar -xz && kexec/run && sleep 60"
        )
        await until(lambda: machine.stage == "installer")

    # The installer: it has this world's host keys and root's keys, and no disk is touched yet.
    loop.run(kexec())
    carried = world.shell(one, pinned=True)
    about = loop.run(
        carried("hostname; . /etc/os-release; echo $VARIANT_ID; ls /dev/sda?* || true")
    )
    assert about.split() == ["nixos-installer", "installer"]

    # It lives in memory: a power cut goes back to what the disk has, which is Ubuntu, and it comes only once.
    loop.run(carried("echo lost >/root/lost"))
    loop.run(fleet.reset(1))
    assert machine.stage == "ubuntu"
    loop.run(kexec())
    assert loop.run(carried("cat /root/lost 2>&1 || true")).endswith("No such file or directory\n")

    # An installation as the host's scripts do it.
    world.serve("system.nix", (Path(__file__).parent / "machine/system.nix").read_bytes())
    installed = loop.run(carried((Path(__file__).parent / "machine/install.sh").read_text()))
    assert "boot loader: boot 1" in installed
    loop.run(carried("systemd-run --on-active=0.1 systemctl reboot"))
    loop.run(until(lambda: machine.stage == "installed"))
    found = loop.run(
        carried(
            ". /etc/os-release; echo $ID; cat /var/kept; findmnt -no FSTYPE /; readlink /proc/1/exe"
        )
    )
    assert found.split() == ["nixos", "kept", "ext4", "/usr/lib/systemd/systemd"]
    assert loop.run(carried("ls /dev/disk/by-label/")).split() == ["ESP", "nixos"]

    # Reboots keep the disk, and have the power on all the time.
    boot = loop.run(carried("echo more >>/var/kept; sync; cat /proc/sys/kernel/random/boot_id"))
    loop.run(carried("systemctl reboot || true"))
    again = loop.run(carried.after(boot, "cat /var/kept"))
    assert again.split() == ["kept", "more"]

    # Off by its own decision, on again, and hard off.
    loop.run(carried("systemctl poweroff || true"))
    loop.run(until(lambda: not fleet.running(1)))
    loop.run(fleet.power_on(1))
    assert machine.stage == "installed"
    loop.run(fleet.power_off(1))
    assert not fleet.running(1)

    loop.run(fleet.delete(1))
    assert leftovers(world) == []


def test_machines_side_by_side_behind_their_firewalls(
    world: World, fleet: Fleet, loop: asyncio.Runner
) -> None:
    one, two = spec(world, 1), spec(world, 2)
    everybody = ("0.0.0.0/0", "::/0")
    ssh = FirewallRule("in", "tcp", "22", everybody)

    async def both() -> None:
        await fleet.firewall(1, (ssh, FirewallRule("in", "icmp", None, everybody)))
        await fleet.firewall(2, (ssh,))
        await asyncio.gather(fleet.create(one), fleet.create(two))

    loop.run(both())
    for each in (one, two):
        shell = world.shell(each)
        assert loop.run(shell("hostname")) == f"{each.name}\n"
        loop.run(shell("systemd-run python3 -m http.server --bind :: 80"))
        loop.run(shell("until ss -Hltn sport = :80 | grep -q .; do sleep 0.02; done"))

    # What no rule names is dropped, from the world and from the neighbour; answers come in.
    assert not world.connects("2001:db8:1::1", 80)
    assert world.connects("2001:db8:1::1", 22)
    shell = world.shell(two)
    dial = "curl -s --max-time 1 http://[2001:db8:1::1]:{}/ >/dev/null; echo $?"
    assert loop.run(shell(dial.format(80))) == "28\n"
    assert loop.run(shell(dial.format(22))) == "1\n"
    assert loop.run(shell("curl -fsS $WORLD/ >/dev/null; echo $?")) == "0\n"

    assert world.pings("2001:db8:1::1")
    assert not world.pings("2001:db8:2::1")

    # The machine cannot open it, a rule does, and no firewall lets everything in.
    loop.run(world.shell(one)("nft flush ruleset"))
    assert not world.connects("2001:db8:1::1", 80)
    loop.run(fleet.firewall(1, (ssh, FirewallRule("in", "tcp", "80-81", ("2001:db8::/32",)))))
    assert world.connects("2001:db8:1::1", 80)
    loop.run(fleet.firewall(2, None))
    assert world.connects("2001:db8:2::1", 80)

    loop.run(fleet.delete(1))
    assert loop.run(shell("hostname")) == "machine-2\n"


def test_machines_outlive_the_sandbox(
    world: World, roots: layers.Layers, fleet: Fleet, loop: asyncio.Runner
) -> None:
    one = spec(world, 1)
    loop.run(fleet.create(one))
    shell = world.shell(one)
    loop.run(shell("echo kept >/root/kept; sync"))
    loop.run(fleet.close())
    assert not fleet.running(1)

    later = Fleet(world.directory / "machines", world.name, roots)
    loop.run(later.resume())
    assert later.running(1)
    assert loop.run(world.shell(one, pinned=True)("cat /root/kept")) == "kept\n"

    # Whoever held the machines is gone without a word: they are found by name.
    loop.run(cleanup(world.directory / "machines", world.name, disks=True))
    loop.run(until(lambda: not later.running(1)))
    assert [each for each in leftovers(world) if "table" not in each] == []


def test_a_machine_that_cannot_start_says_why(
    world: World, roots: layers.Layers, loop: asyncio.Runner
) -> None:
    broken = layers.Layers(roots.base, world.directory / "gone", roots.ubuntu, roots.installer)
    fleet = Fleet(world.directory / "machines", world.name, broken)
    with pytest.raises(Exception, match=r"machine-1 did not start:\n.*gone"):
        loop.run(fleet.create(spec(world, 1)))
    assert not fleet.running(1)
    loop.run(fleet.delete(1))
    assert leftovers(world) == []


def test_the_tarball_is_the_same_each_time() -> None:
    assert tarball() == tarball()
    names = subprocess.run(["tar", "-tz"], input=tarball(), capture_output=True, check=True)
    assert names.stdout.decode().split() == [
        f"kexec/{name}" for name in ("bzImage", "initrd", "ip", "kexec", "run")
    ]
