"""rclone with a set of flags, over real FUSE."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.media.library import BUCKET, KEY
from sandbox import toolchain


class Mount:
    """A mount of the bucket, with its cache beside it: `with Mount(…) as mount:`."""

    def __init__(self, folder: Path, flags: list[str], port: int) -> None:
        """Prepare one in `folder`, of the endpoint at `port`."""
        self.path = folder / "mnt"
        self._folder = folder
        self._rclone = toolchain.locations().rclone
        self._socket = folder / "rc"
        self.path.mkdir(parents=True, exist_ok=True)
        configuration = folder / "rclone.conf"
        configuration.write_text(
            f"[b2]\ntype = b2\naccount = {KEY.id}\nkey = {KEY.secret}\n"
            f"endpoint = http://127.0.0.1:{port}\n"
        )
        self._command = [
            *(str(self._rclone), "mount", f"b2:{BUCKET}", str(self.path), *flags),
            *("--config", str(configuration), "--cache-dir", str(folder / "cache")),
            *("--rc", "--rc-addr", f"unix://{self._socket}", "--rc-no-auth"),
        ]

    def __enter__(self) -> Mount:
        self._socket.unlink(missing_ok=True)
        ready = self._folder / "ready"
        ready.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(ready))
            listener.settimeout(1)
            with (self._folder / "log").open("a") as file:
                self._process = subprocess.Popen(
                    self._command,
                    env={**os.environ, "NOTIFY_SOCKET": str(ready)},
                    stdout=file,
                    stderr=file,
                )
            self._until_ready(listener)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["fusermount3", "-uz", str(self.path)], check=True)
        self._process.terminate()
        self._process.wait()

    def _until_ready(self, listener: socket.socket) -> None:
        while self._process.poll() is None:
            with suppress(TimeoutError):
                if b"READY=1" in listener.recv(4096):
                    return
        raise RuntimeError("rclone has ended:\n" + (self._folder / "log").read_text())

    def until_warm(self, files: int) -> None:
        """Wait until the tree of folders is in memory, which `--vfs-refresh` does by itself."""
        while self.rc("vfs/stats")["metadataCache"]["files"] < files:
            time.sleep(0.02)

    def rc(self, *command: str) -> dict[str, dict[str, int]]:
        """What rclone answers to a remote command."""
        asked = [str(self._rclone), "rc", "--unix-socket", str(self._socket), *command]
        answer: dict[str, dict[str, int]] = json.loads(
            subprocess.run(asked, check=True, capture_output=True).stdout
        )
        return answer

    def peak_memory(self) -> int:
        """The most that it has held at once, in bytes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
        return int(kib) * 1024

    def discard(self) -> None:
        """Remove all that it has left."""
        shutil.rmtree(self._folder)
