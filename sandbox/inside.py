"""Running a command inside the sandbox's world: its network, its resolver, its certificates."""

from __future__ import annotations

import os
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.paths import STATE, namespace

_ENTER = 'mount --bind "$1" /etc/resolv.conf; shift; exec "$@"'


def command(arguments: list[str], state: Path = STATE) -> list[str]:
    """The command line that runs `arguments` inside. The computer's own mounts are not touched.

    Raises:
        SandboxError: this sandbox is not up.
    """
    handle = Path("/run/netns") / namespace(state)
    if not (state / "world.json").exists() or not handle.exists():
        raise SandboxError("The sandbox is not up; `make sandbox` brings it up.")
    resolver = state / "resolv.conf"
    return [
        "nsenter",
        f"--net={handle}",
        "unshare",
        "--mount",
        "sh",
        "-c",
        _ENTER,
        "sh",
        str(resolver),
        *arguments,
    ]


def environment(state: Path = STATE) -> dict[str, str]:
    """The environment for it: the sandbox's certificates, and no proxy or SSH agent of the user's."""
    unwanted = {"SSH_AUTH_SOCK", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"}
    kept = {key: value for key, value in os.environ.items() if key not in unwanted}
    bundle = str(state / "ca-bundle.pem")
    return {**kept, "CURL_CA_BUNDLE": bundle, "SSL_CERT_FILE": bundle, "REQUESTS_CA_BUNDLE": bundle}
