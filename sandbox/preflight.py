"""What the sandbox needs of a computer, said first; Debian's packages are installed."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sandbox.errors import SandboxError

PACKAGES = {
    "curl": "curl",
    "dnsmasq": "dnsmasq-base",
    "fusermount3": "fuse3",
    "ip": "iproute2",
    "make": "make",
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "partx": "util-linux",
    "ssh": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}
"""Programs, and the packages of Debian's that have them."""


def check() -> None:
    """Refuse a computer that cannot hold the sandbox.

    Raises:
        SandboxError: it is not Linux, not Debian 12 or newer, or this is not root.
    """
    if platform.system() != "Linux":
        raise SandboxError("The sandbox boots real machines by systemd-nspawn, which needs Linux.")
    release = platform.freedesktop_os_release()
    if release.get("ID") != "debian" or int(release.get("VERSION_ID", "0").split(".")[0]) < 12:
        raise SandboxError(
            f"The sandbox has been tried on Debian 12 and newer; this is {release.get('PRETTY_NAME')}."
        )
    if os.geteuid() != 0:
        raise SandboxError("The sandbox makes network namespaces and mounts: run it as root.")


def missing_packages(wanted: Mapping[str, str]) -> list[str]:
    """Those of the packages (by the program that each is for) whose programs are not here, sorted."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return sorted(
        {package for program, package in wanted.items() if shutil.which(program, path=path) is None}
    )


def install(say: Callable[[str], None], more: Mapping[str, str] | None = None) -> None:
    """Install what is missing by apt-get, with `more` packages by their programs. No service is started.

    Raises:
        SandboxError: apt-get failed; the message has the end of what it printed.
    """
    packages = missing_packages({**PACKAGES, **(more or {})})
    if not packages:
        return
    say(f"installing {', '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_services():
        for command in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *packages],
        ):
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                raise SandboxError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep Debian from starting what is installed meanwhile, by the means that its policy has for it."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
