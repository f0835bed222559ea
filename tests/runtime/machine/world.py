"""The least world that a machine needs: the sandbox's network, DHCP, metadata, a web server, and a caller."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.hetzner.machines import MachineSpec
from sandbox.world import addresses, network

URL = f"http://[{addresses.LAPTOP6}]:8080"


def spec(server_id: int, user_data: str = "", public_key: str = "") -> MachineSpec:
    """A server of the world; its id, below 10, decides what addresses it has."""
    return MachineSpec(
        server_id=server_id,
        name=f"machine-{server_id}",
        image="ubuntu-24.04",
        user_data=user_data,
        ssh_keys=(public_key,),
        ipv4=f"203.0.113.{server_id}",
        ipv6_network=f"2001:db8:{server_id}::/64",
        mac=f"96:00:00:00:00:{server_id:02x}",
        disk_gigabytes=20,
    )


class World:
    """A namespace with the bridge `switch`; everything of it goes with it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.name = f"plexsb-test{os.getpid()}"
        self.certificate = directory / "ca.pem"
        self._web = directory / "web"

    def __enter__(self) -> Self:
        self._web.mkdir()
        key = self.directory / "key"
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        self.public_key = key.with_suffix(".pub").read_text().strip()
        ca = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "/dev/null",
        ]
        _run("openssl", "req", "-x509", *ca, "-subj", "/CN=Test", "-out", str(self.certificate))
        network.up(self.name)
        self._processes = [
            # It would fill the terminal with requests.
            subprocess.Popen(
                self._inside(
                    *(sys.executable, "-m", "http.server", "--bind", addresses.LAPTOP6, "8080")
                ),
                cwd=self._web,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        ]
        services = subprocess.Popen(
            self._inside(
                sys.executable, "-m", "tests.runtime.machine.services", str(self.directory)
            ),
            stdout=subprocess.PIPE,
        )
        self._processes.append(services)
        assert services.stdout is not None
        assert services.stdout.readline() == b"ready\n"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.terminate()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        network.down(self.name)

    def run(self, *command: str) -> str:
        """Run a program in the namespace and return what it printed."""
        return _run(*self._inside(*command))

    def consoles(self) -> list[Path]:
        """What the machines wrote to their consoles."""
        return sorted((self.directory / "machines").glob("*/console.log"))

    def serve(self, name: str, content: bytes) -> None:
        """Let the web server have a file."""
        (self._web / name).write_bytes(content)

    def connects(self, address: str, port: int, seconds: float = 1) -> bool:
        """Whether something listens there and may be reached within that time."""
        dial = f"import socket; socket.create_connection(({address!r}, {port}), {seconds})"
        done = subprocess.run(
            self._inside(sys.executable, "-c", dial), capture_output=True, check=False
        )
        return done.returncode == 0

    def pings(self, address: str, seconds: float = 1) -> bool:
        """Whether an ICMP echo request is answered within that time."""
        # Type 128, code 0; the kernel fills in the checksum.
        echo = (
            "import socket; "
            "s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6); "
            f"s.settimeout({seconds}); s.connect(({address!r}, 0)); "
            "s.send(bytes([128, 0, 0, 0, 0, 1, 0, 1])); "
            "[0 for data in iter(lambda: s.recv(99), b'') if data[0] == 129 and exit(0)]"
        )
        done = subprocess.run(
            self._inside(sys.executable, "-c", echo), capture_output=True, check=False
        )
        return done.returncode == 0

    def shell(self, spec: MachineSpec, *, pinned: bool = False) -> Shell:
        """A way to run commands on a machine; `pinned` accepts only the host key that was seen before."""
        return Shell(self, spec, pinned)

    def _inside(self, *command: str) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self.name}", *command]


# What ssh says of a session that was there.
_CUT = ("closed by remote", "not responding", "Read from remote host", "client_loop:")


class Shell:
    """Runs commands by SSH, and waits for a machine that does not listen yet."""

    def __init__(self, world: World, spec: MachineSpec, pinned: bool) -> None:
        self._world = world
        self._spec = spec
        known = world.directory / f"known-{spec.server_id}"
        if not pinned:
            known.unlink(missing_ok=True)
        check = "yes" if pinned else "accept-new"
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "1",
            "IdentityFile": str(world.directory / "key"),
            "IdentityAgent": "none",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": check,
            "UserKnownHostsFile": str(known),
            "GlobalKnownHostsFile": "/dev/null",
            "ServerAliveInterval": "1",
            "ServerAliveCountMax": "60",
        }
        flags = [f"-o{key}={value}" for key, value in options.items()]
        host = spec.ipv6_network.split("/")[0] + "1" if spec.ipv6_network else ""
        self._command = world._inside("ssh", "-F", "none", *flags, f"root@{host}")

    async def __call__(self, script: str) -> str:
        """Run a script; a session that is cut, as by a reboot, ends it without an error.

        Raises:
            AssertionError: the script ended with a status, or nobody answered for minutes.
        """
        async with asyncio.timeout(400):
            while True:
                status, out, err = await self._once(f"WORLD={shlex.quote(URL)}\n{script}")
                if status == 0 or (status == 255 and out):
                    return out
                if status != 255:
                    raise AssertionError(f"{status}: {out}{err}")
                if any(words in err for words in _CUT):
                    return out
                assert "verification failed" not in err, err
                await asyncio.sleep(0.05)

    async def after(self, boot: str, script: str) -> str:
        """Run a script in another boot than that one."""
        same = f'[ "$(cat /proc/sys/kernel/random/boot_id)" != {shlex.quote(boot.strip())} ] || exit 75'
        async with asyncio.timeout(400):
            while True:
                # One that was cut short by the old boot's end has not come to its last line.
                with contextlib.suppress(AssertionError):
                    out = await self(f"{same}\n{script}\necho whole")
                    if out.endswith("whole\n"):
                        return out.removesuffix("whole\n")
                await asyncio.sleep(0.05)

    async def _once(self, script: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            "bash -s",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(script.encode())
        return process.returncode or 0, out.decode(), err.decode()


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
