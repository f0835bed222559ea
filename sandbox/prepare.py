"""What the machines are made of, and what they fetch from GitHub and releases.nixos.org."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.machine import base
from sandbox.machine.installer import tarball as installer
from sandbox.nixpkgs import tarball as nixpkgs
from sandbox.paths import STATE

_BASE_SECONDS = 3600
_INSTALLER_URL = (
    "https://github.com/nix-community/nixos-images/releases/download/nixos-25.11/" + installer.NAME
)


def base_root(say: Callable[[str], None]) -> None:
    """Make the machines' base, unless the cache has it.

    Raises:
        SandboxError: the base cannot be made, or was not in time.
    """
    try:
        asyncio.run(asyncio.wait_for(base.ensure(say), _BASE_SECONDS))
    except base.BaseError as error:
        raise SandboxError(str(error)) from error
    except TimeoutError:
        raise SandboxError(
            f"The machines' base was not made within {_BASE_SECONDS} seconds. "
            "What it came to last stands above; the next run begins it anew."
        ) from None


def run(say: Callable[[str], None], state: Path = STATE) -> None:
    """Make the machines' base, the files of the internet's stand-in, and their pins.

    Raises:
        SandboxError: the base cannot be made.
    """
    base_root(say)
    kexec = installer.tarball()
    publish(state, _INSTALLER_URL, kexec)
    releases = {}
    for release in (nixpkgs.RELEASE, nixpkgs.NEXT_RELEASE):
        made = nixpkgs.make(release)
        publish(state, made.url, made.content)
        releases[release] = {"url": made.url, "sha256": made.nar_hash}
    pins = {
        "installer": {
            "x86_64": {"url": _INSTALLER_URL, "sha256": hashlib.sha256(kexec).hexdigest()},
            # There is no machine of this kind, and so no installer; but previews work.
            "aarch64": {"sha256": hashlib.sha256(b"").hexdigest()},
        },
        "nixpkgs": releases,
    }
    (state / "pins.json").write_text(json.dumps(pins, indent=2) + "\n")


def publish(state: Path, url: str, content: bytes) -> None:
    """Lay a file where the internet's stand-in finds it: by host and path."""
    path = state / "internet" / url.removeprefix("https://")
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)
