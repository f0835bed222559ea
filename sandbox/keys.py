"""The sandbox's administrator: an SSH key made once, and what `ssh` needs to be told of the host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox import commands
from sandbox.errors import SandboxError
from sandbox.paths import STATE

ADMINISTRATOR = "owner"


def public_key(state: Path = STATE) -> str:
    """The administrator's public key; the pair is made at the first call.

    Raises:
        SandboxError: ssh-keygen failed; the message has what it said.
    """
    private = state / "ssh" / "id_ed25519"
    if not private.exists():
        private.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kind = ["-t", "ed25519", "-N", "", "-C", ADMINISTRATOR]
        done = commands.run(["ssh-keygen", "-q", *kind, "-f", str(private)], seconds=60)
        if done.returncode != 0:
            raise SandboxError(f"ssh-keygen failed:\n{done.stderr.decode()}")
    return private.with_suffix(".pub").read_text().strip()


def ssh_command(
    outputs: dict[str, Any], remote: str = "", *, options: Sequence[str] = (), state: Path = STATE
) -> list[str]:
    """`ssh` as the administrator, with the host key that the stack's outputs name and no other.

    Args:
        outputs: the stack's outputs.
        remote: the command to run on the host; none is a shell.
        options: further options of ssh's.
    """
    folder = state / "ssh"
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(outputs["knownHosts"] + "\n")
    user, host = outputs["ssh"].removeprefix("ssh ").split("@")
    return [
        "ssh",
        "-F",
        "none",
        "-i",
        str(folder / "id_ed25519"),
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        f"UserKnownHostsFile={known_hosts}",
        "-o",
        "StrictHostKeyChecking=yes",
        "-l",
        user,
        *options,
        host,
        *([remote] if remote else []),
    ]
