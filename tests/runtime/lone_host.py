"""A host for one test module: the sandbox's Debian root under real systemd, alone in a network of its own."""

from __future__ import annotations

import asyncio
import ctypes
import os
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import uvicorn
from starlette.types import ASGIApp

from components import configuration
from sandbox import toolchain
from sandbox.machine import base, cgroups, tree
from sandbox.nixpkgs import gixy
from tests import logs, stack
from tests.needs import missing

REPO = stack.REPO
NIXPKGS = REPO / "sandbox/nixpkgs"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CLONE_NEWNET = 0x40000000

# What the installation writes on each server, once.
_HOST_NIX = """{
  system.stateVersion = "99.05";
  boot.loader.grub.devices = [ "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_1" ];
}
"""
# In a mount namespace of its own, which takes every mount along when the host ends.
_BOOT = """
set -eu
for hierarchy in $CGROUPS; do
  mkdir -p "$hierarchy/$NAME"
  echo $$ >"$hierarchy/$NAME/cgroup.procs"
done
cd "$MACHINE"
mount -t overlay -o "lowerdir=$LAYERS,upperdir=$MACHINE/upper,workdir=$MACHINE/work" root root
# nspawn keeps locks and folders here.
mount --bind "/run/netns/$NAME" network
mount -t tmpfs -o mode=755 memory /run
mknod -m 666 /run/fuse c 10 229 # as udev has it, and not every computer that has no udev
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
exec systemd-nspawn --quiet --directory="$MACHINE/root" --machine="$NAME" --hostname=plex \\
  --register=no --keep-unit --kill-signal=SIGRTMIN+4 --console=read-only \\
  --network-namespace-path="$MACHINE/network" --capability=CAP_NET_ADMIN \\
  --resolv-conf=off --timezone=off --link-journal=no --bind=/run/fuse:/dev/fuse --boot
"""
# Who the units run as. NixOS's activation makes them.
_USERS = "useradd -r plex && useradd -r nginx && useradd -r rclone"

_T = TypeVar("_T")


class Host:
    """A running host. Its files are under `root`, as it sees them itself, mounts included."""

    def __init__(self, pid: int, network: Path) -> None:
        self.pid = pid
        self.root = Path(f"/proc/{pid}/root")
        self._network = network

    def command(self, *command: str, network: bool = True) -> list[str]:
        """The command line that runs a program on the host, from outside. `network`: in its network too."""
        namespaces = ["--mount", "--uts", "--ipc", "--pid", "--root"]
        namespaces += ["--net"] if network else []
        environment = ["env", "-i", f"PATH={_PATH}", "HOME=/root", "LC_ALL=C.UTF-8"]
        # Outside of the host's own groups, where its systemd would end it with some unit.
        return ["nsenter", f"--target={self.pid}", *namespaces, *environment, *command]

    def run(self, *command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, whatever its status."""
        return subprocess.run(
            self.command(*command),
            input="" if stdin is None else stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def ok(self, *command: str, stdin: str | None = None) -> str:
        """What a program prints that has to succeed."""
        done = self.run(*command, stdin=stdin)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Put a file on the host, with the folders above it."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def journal(self, unit: str) -> str:
        """What a unit has said."""
        self.ok("journalctl", "--sync")
        return self.ok("journalctl", "-u", unit, "--no-pager", "-o", "cat")

    def build(self, expressions: dict[str, str], **overrides: object) -> dict[str, str]:
        """Texts of the rendered configuration, built by the host's own Nix from the miniature nixpkgs.

        Args:
            expressions: Nix by name; `config` is the whole host's. What a text refers to is built too.
            overrides: as for `tests.stack.settings_of`.

        Returns:
            Paths in the host's store by name.
        """
        for name, text in configuration.files(stack.settings_of(**overrides), "prod").items():
            self.write(f"/etc/nixos/{name}", text)
        self.write("/etc/nixos/host.nix", _HOST_NIX)
        wanted = " ".join(
            f"{name} = pkgs.writeText {name!r} ({text});".replace("'", '"')
            for name, text in expressions.items()
        )
        head = "let inherit (import <nixpkgs/nixos> { }) config pkgs; in"
        self.write("/etc/nixos/wanted.nix", f"{head} {{ {wanted} }}\n")
        search = ["-I", "nixpkgs=/nixpkgs", "-I", "nixos-config=/etc/nixos/configuration.nix"]
        attributes = [word for name in expressions for word in ("-A", name)]
        out = self.ok("nix-build", "/etc/nixos/wanted.nix", "--no-out-link", *search, *attributes)
        return dict(zip(expressions, out.split(), strict=True))

    def unit(self, name: str, path: str) -> None:
        """Let systemd have a unit from the store."""
        self.ok("ln", "-sfn", path, f"/run/systemd/system/{name}")
        self.ok("systemctl", "daemon-reload")

    def inside(self, function: Callable[[], _T]) -> _T:
        """Call a function in the host's network: a socket that it makes stays there."""
        found: list[_T] = []
        failed: list[BaseException] = []

        def enter() -> None:
            try:
                with self._network.open() as network:
                    if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                found.append(function())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return found[0]

    def listener(self, port: int) -> socket.socket:
        """A socket that listens on the host's 127.0.0.1."""
        return self.inside(lambda: socket.create_server(("127.0.0.1", port)))

    def connect(self, address: str, port: int, source: str = "") -> socket.socket:
        """A connection to one of the host's own addresses."""
        return self.inside(
            lambda: socket.create_connection((address, port), 60, (source, 0) if source else None)
        )

    def await_port(self, address: str, port: int) -> None:
        """Wait until somebody listens there."""
        deadline = time.monotonic() + 60
        while True:
            with suppress(ConnectionRefusedError):
                self.connect(address, port).close()
                return
            assert time.monotonic() < deadline, f"nobody listens on {address}, port {port}"
            threading.Event().wait(0.05)

    @contextmanager
    def serving(self, app: ASGIApp, port: int) -> Iterator[None]:
        """An ASGI application on the host's 127.0.0.1."""
        listens = threading.Event()

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                listens.set()

        with self.listener(port) as listener:
            server = Server(uvicorn.Config(app, lifespan="off", log_level="warning"))
            thread = threading.Thread(target=server.run, args=([listener],))
            thread.start()
            try:
                assert listens.wait(60), "the application did not start"
                yield
            finally:
                server.should_exit = True
                thread.join()


@contextmanager
def host(directory: Path, addresses: tuple[str, ...] = ()) -> Iterator[Host]:
    """Boot a host, and leave nothing of it. Where none can be booted that is missing for the test.

    Args:
        directory: an empty folder for what it writes.
        addresses: of its own beside 127.0.0.1, such as `203.0.113.11/32`.
    """
    if why := _what_is_missing():
        missing(why)
    name = f"plexsb-lone{os.getpid()}-{secrets.token_hex(2)}"
    layer, machine = directory / "layer", directory / "machine"
    for folder in ("root", "upper", "work"):
        (machine / folder).mkdir(parents=True)
    (machine / "network").touch()
    _settle(layer)
    root = asyncio.run(base.ensure(print))
    network = Path("/run/netns") / name
    subprocess.run(["ip", "netns", "add", name], check=True)
    process = None
    try:
        own = [["address", "add", address, "dev", "lo"] for address in addresses]
        for command in (["link", "set", "lo", "up"], *own):
            subprocess.run(["ip", "-n", name, *command], check=True)
        console = machine / "console.log"
        with logs.told(lambda: [console]):
            process = _boot(name, machine, (layer, root))
            running = Host(_first(process), network)
            running.ok("systemctl", "is-system-running", "--wait", "--quiet")
            running.ok("sh", "-c", _USERS)
            yield running
    finally:
        asyncio.run(cgroups.kill(name))
        if process is not None:
            process.wait()
        asyncio.run(cgroups.remove(name))
        subprocess.run(["ip", "netns", "delete", name], check=True)


def _settle(layer: Path) -> None:
    tree.write(layer / "etc/cloud/cloud-init.disabled", "", 0o644, layer)
    # Nobody gives it an address, and nobody shall wait for one.
    for unit in ("systemd-networkd", "systemd-networkd-wait-online", "systemd-networkd.socket"):
        unit = unit if "." in unit else f"{unit}.service"
        tree.link(layer / f"etc/systemd/system/{unit}", "/dev/null", layer)
    for source in NIXPKGS.rglob("*"):
        if source.is_file() and "__pycache__" not in source.parts:
            mode = 0o755 if os.access(source, os.X_OK) else 0o644
            at = layer / "nixpkgs" / source.relative_to(NIXPKGS)
            tree.write(at, source.read_bytes(), mode, layer)
    for source in (REPO / "sandbox/plex").iterdir():
        if source.is_file():
            mode = 0o755 if os.access(source, os.X_OK) else 0o644
            tree.write(
                layer / "usr/lib/sandbox/plex" / source.name, source.read_bytes(), mode, layer
            )
    gixy.bring(layer)
    rclone = toolchain.locations().rclone
    assert rclone.exists(), "no rclone in the cache: `make toolchain`"
    tree.bring(rclone, layer / "usr/local/bin/rclone", layer)


def _boot(name: str, machine: Path, layers: tuple[Path, ...]) -> subprocess.Popen[bytes]:
    with (machine / "console.log").open("w") as console:
        return subprocess.Popen(
            ["unshare", "--mount", "--propagation=slave", "sh", "-c", _BOOT],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env={
                "PATH": f"{os.environ['PATH']}:{_PATH}",
                "NAME": name,
                "MACHINE": str(machine),
                "LAYERS": ":".join(map(str, layers)),
                "CGROUPS": " ".join(str(path) for path in cgroups.hierarchies()),
            },
            start_new_session=True,
        )


def _first(process: subprocess.Popen[bytes]) -> int:
    """The process id of the host's PID 1, as this computer sees it, once its systemd can be asked."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None:
        with suppress(OSError, IndexError, ValueError):
            pid = int(children.read_text().split()[-1])
            # What prepares its mounts still sees this computer's /run.
            systemd = Path(f"/proc/{pid}/comm").read_text() == "systemd\n"
            if systemd and Path(f"/proc/{pid}/root/run/systemd/private").exists():
                return pid
        threading.Event().wait(0.02)
    raise AssertionError("the host did not boot")


def _what_is_missing() -> str | None:
    """Why no host can be booted on this computer; None where it can."""
    if os.geteuid() != 0:
        return "boots a machine, which takes root"
    if not shutil.which("systemd-nspawn") or not shutil.which("mmdebstrap"):
        return "boots a machine, which takes systemd-container and mmdebstrap"
    if not Path("/dev/fuse").exists():
        return "there is no /dev/fuse"
    return None
