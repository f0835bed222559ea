"""A real OpenSSH server on the loopback address, for tests that need somebody to talk to."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

DEADLINE = 60.0
"""Seconds to wait for a line in the server's log."""


@dataclass(frozen=True)
class KeyPair:
    """An ed25519 pair as OpenSSH writes it."""

    private: str
    public: str

    @classmethod
    def new(cls) -> KeyPair:
        """A fresh pair."""
        key = Ed25519PrivateKey.generate()
        return cls(
            key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(),
            key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
        )


def free_port() -> int:
    """A TCP port that nothing listens on, and that the kernel gives to nobody who asks for any."""
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Sshd:
    """One server: its port and keys stay the same when it is stopped and started again."""

    directory: Path
    port: int = field(default_factory=free_port)
    host: KeyPair = field(default_factory=KeyPair.new)
    client: KeyPair = field(default_factory=KeyPair.new)
    user: str = field(default_factory=getpass.getuser)

    def __post_init__(self) -> None:
        self._log: list[str] = []
        self._news = threading.Condition()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Sshd:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def connections(self) -> int:
        """How many clients have logged in so far."""
        return sum("Accepted publickey" in line for line in self._log)

    @property
    def open(self) -> int:
        """How many clients are connected."""
        assert self._process
        return len(_children(self._process.pid))

    def start(self) -> None:
        """Start the server, and return once it listens."""
        listening = self._count("Server listening")
        self._process = subprocess.Popen(
            self.command(),
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._follow, args=(self._process,), daemon=True).start()
        self.wait_for(lambda: self._count("Server listening") > listening)

    def stop(self) -> None:
        """Stop the server; sessions that are open end with it."""
        process, self._process = self._process, None
        if process is not None:
            self.drop_sessions(process.pid)
            process.terminate()
            process.wait()

    def drop_sessions(self, pid: int | None = None) -> None:
        """Cut every open connection without a good-bye, as a failing network does."""
        assert pid or self._process
        for child in _children(pid or self._process.pid):  # type: ignore[union-attr] # asserted
            os.kill(child, signal.SIGKILL)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until the log makes `condition` true; AssertionError with the log if it does not."""
        with self._news:
            assert self._news.wait_for(condition, DEADLINE), "\n".join(self._log)

    def command(self) -> list[str]:
        """The command line that starts it. It logs to its standard error."""
        return [_program(), "-D", "-e", "-f", str(self._configuration())]

    def _count(self, text: str) -> int:
        return sum(text in line for line in self._log)

    def _follow(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr
        with process.stderr as lines:
            for line in lines:
                with self._news:
                    self._log.append(line.rstrip())
                    self._news.notify_all()

    def _configuration(self) -> Path:
        self.directory.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            # Where sshd, started by root, puts aside its privileges.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        key = self._write("host_key", self.host.private)
        authorized = self._write("authorized_keys", self.client.public + "\n")
        return self._write(
            "sshd_config",
            f"""\
ListenAddress 127.0.0.1:{self.port}
HostKey {key}
AuthorizedKeysFile {authorized}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
LogLevel VERBOSE
""",
        )

    def _write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path


def _program() -> str:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    program = shutil.which("sshd", path=path)
    assert program, "the tests need OpenSSH's server: apt install openssh-server"
    return program


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]
