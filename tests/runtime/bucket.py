"""A bucket at a real server of the S3 protocol, on the loopback address: rclone's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox import toolchain
from sandbox.toolchain.versions import ENGINE
from tests.runtime.sshd import free_port

NAME = "plex-state"
KEY_ID, KEY = "0005a1b2c3d4e5f0000000009", "K000stateStateStateState0000009"

# With `when_required`, which Backblaze needs, Pulumi 3.256 and 3.257 send two checksums that
# contradict each other.
_CHECKSUMS = (
    "when_supported" if tuple(map(int, ENGINE.split("."))) < (3, 258, 0) else "when_required"
)


@dataclass(frozen=True)
class Bucket:
    """A bucket, and what is in it."""

    folder: Path
    port: int

    @property
    def environment(self) -> Mapping[str, str]:
        """What Pulumi is told, to keep its state there."""
        place = f"endpoint=http://127.0.0.1:{self.port}&region=eu-central-003&s3ForcePathStyle=true"
        return {
            "PULUMI_BACKEND_URL": f"s3://{NAME}?{place}",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_REQUEST_CHECKSUM_CALCULATION": _CHECKSUMS,
        }

    def files(self) -> list[str]:
        """The names of all objects."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.folder)) for path in found)


@contextmanager
def serving(
    directory: Path, within: Callable[[list[str]], list[str]] = lambda command: command
) -> Iterator[Bucket]:
    """A server with an empty bucket.

    Args:
        directory: where all of it is kept.
        within: makes a command line of it that runs it somewhere else, such as in another network.
    """
    folder = directory / "s3" / NAME
    folder.mkdir(parents=True)
    bucket = Bucket(folder, free_port())
    command = [str(toolchain.locations().rclone), "serve", "s3", str(folder.parent)]
    options = {
        "--addr": f"127.0.0.1:{bucket.port}",
        "--auth-key": f"{KEY_ID},{KEY}",
        "--cache-dir": str(directory / "cache"),
        "--config": os.devnull,
        "--vfs-cache-mode": "writes",
        "--vfs-write-back": "0s",
    }
    with subprocess.Popen(
        within([*command, *(word for pair in options.items() for word in pair)]),
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr
        said = ""
        for line in server.stderr:
            said += line
            if "Starting s3 server" in line:
                break
        else:
            raise AssertionError(said)
        try:
            yield bucket
        finally:
            server.terminate()
