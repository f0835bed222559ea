"""What `pulumi up` would submit, submitted by hand: the sessions that Pulumi alone would not open."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization

from components.identity import private_text
from sandbox import inside
from tests.e2e.stack import Stack


@dataclass(frozen=True)
class Change:
    """What a stack's next `pulumi up` would hand to its host."""

    stack: Stack
    payload: str

    @classmethod
    def planned(cls, stack: Stack) -> Change:
        """Ask a preview."""
        done = stack.pulumi("preview", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        (payload,) = [
            step["newState"]["inputs"]["stdin"]
            for step in json.loads(done.stdout)["steps"]
            if step["urn"].endswith(f"::{stack.name}-converge")
        ]
        return cls(stack, payload)

    @contextmanager
    def submitted(self) -> Iterator[subprocess.Popen[str]]:
        """One session, with the stack's own key; what it prints is on stdout."""
        state, outputs = self.stack.world.state, self.stack.outputs()
        key, known_hosts = state / "ssh" / "deploy", state / "ssh" / "known_hosts"
        key.touch(mode=0o600)
        key.write_text(_deploy_key(self.stack))
        known_hosts.write_text(outputs["knownHosts"] + "\n")
        options = [f"UserKnownHostsFile={known_hosts}", "IdentitiesOnly=yes"]
        ssh = ["ssh", "-F", "none", "-i", str(key), *(f"-o{option}" for option in options)]
        address = outputs["ssh"].partition("@")[2]
        with subprocess.Popen(
            inside.command([*ssh, "-l", "root", address, "bash", "-s"], state),
            env=inside.environment(state),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdin is not None
            process.stdin.write(self.payload)
            process.stdin.close()
            process.stdin = None  # `communicate` would close it once more
            yield process


def _deploy_key(stack: Stack) -> str:
    exported = json.loads(
        stack.pulumi("stack", "export", "--show-secrets", "--stack", stack.name).stdout
    )
    (seed,) = [
        json.loads(each["outputs"]["base64"]["plaintext"])
        for each in exported["deployment"]["resources"]
        if each["urn"].endswith(f"::{stack.name}-deploy") and each["type"].startswith("random:")
    ]
    made = serialization.load_pem_private_key(private_text(seed).encode(), None)
    # As every OpenSSH reads it, not only the newer ones.
    return made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    ).decode()
