"""A stack's SSH key, as OpenSSH on a host reads it: by the program of the machines' base."""

from __future__ import annotations

import asyncio
import subprocess
from base64 import b64encode
from pathlib import Path

from components.identity import private_text, public_text
from sandbox.machine import base

_READ = 'mount --bind "$1" "$2/mnt" && exec chroot "$2" ssh-keygen -y -f /mnt/key'


def test_openssh_finds_the_public_key_in_the_private_one(tmp_path: Path) -> None:
    seed = b64encode(bytes(range(32))).decode()
    key = tmp_path / "key"
    key.write_text(private_text(seed))
    key.chmod(0o600)
    root = asyncio.run(base.ensure(print))

    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", _READ, "sh", tmp_path, root],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout.strip(), done.stderr) == (public_text(seed), "")
