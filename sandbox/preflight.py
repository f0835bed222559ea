"""What the sandbox needs of a computer, said first; Debian's packages are installed."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping

from sandbox import commands, packages
from sandbox.errors import SandboxError
from sandbox.machine import cgroups

PACKAGES = {
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "curl": "curl",
    "dnsmasq": "dnsmasq-base",
    "fusermount3": "fuse3",
    # By it, mmdebstrap tells whether apt knows Debian's keys, as Ubuntu's does not.
    "gpg": "gpg",
    "ip": "iproute2",
    "make": "make",
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "nft": "nftables",
    "partx": "util-linux",
    "ssh": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}
"""Programs and files, and the packages of Debian's and Ubuntu's that have them."""

_OLDEST = {"debian": (12,), "ubuntu": (24, 4)}

CONTAINER = """\
docker run --rm -it --privileged --cgroupns=host --tmpfs /tmp:exec --tmpfs /var/tmp:exec \\
  -v plex-on-nixos:/root/.cache -v "$PWD":/src -w /src debian:12 sh -c '
    apt-get update && apt-get install -y --no-install-recommends ca-certificates git make python3-venv &&
    git config --global --add safe.directory /src && make sandbox; exec bash'"""
"""The command for every other Linux, from the checkout."""


def check() -> None:
    """Refuse a computer that cannot hold the sandbox, before anything is installed.

    Raises:
        SandboxError: it is not Linux or not x86-64, neither Debian nor Ubuntu, or too old; this is not
            root; or it is a container that may not do what a computer may.
    """
    if platform.system() != "Linux":
        raise SandboxError("The sandbox boots real machines by systemd-nspawn, which needs Linux.")
    if refusal := of_processor(platform.machine()):
        raise SandboxError(refusal)
    if refusal := of_system(platform.freedesktop_os_release()):
        raise SandboxError(refusal)
    if os.geteuid() != 0:
        raise SandboxError("The sandbox makes network namespaces and mounts: run it as root.")
    if found := lacking():
        raise SandboxError(of_container(found))


def of_processor(machine: str) -> str | None:
    """Why this kind of processor is refused, by what `uname -m` says; None if it is not."""
    if machine == "x86_64":
        return None
    return (
        "The sandbox's servers have x86-64's kernel and boot loaders, so it runs on that alone; "
        f"this computer is {machine or 'an unknown one'}."
    )


def of_system(release: Mapping[str, str]) -> str | None:
    """Why this system is refused, by what its os-release says; None if it is not."""
    oldest = _OLDEST.get(release.get("ID", ""))
    # Debian's testing and unstable have no number: they are newer than every release.
    version = release.get("VERSION_ID", "")
    if oldest and (not version or tuple(map(int, version.split("."))) >= oldest):
        return None
    name = release.get("PRETTY_NAME") or release.get("ID") or "an unknown system"
    return (
        "The sandbox runs on Debian 12 or newer and on Ubuntu 24.04 or newer; "
        f"this is {name}. A container of Docker's does as well; in the checkout:\n{CONTAINER}"
    )


def of_container(found: list[str]) -> str:
    """Why a container is refused that lacks something."""
    return (
        f"The sandbox cannot run here without {' and '.join(found)}. "
        f"If this is a container, give it more rights; from the checkout, outside of it:\n{CONTAINER}"
    )


def lacking() -> list[str]:
    """The rights and devices that the sandbox needs and this computer has not, as in a container."""
    found = []
    tried = commands.run(["unshare", "--mount", "--net", "true"], seconds=60)
    if tried.returncode != 0:
        said = tried.stderr.decode(errors="replace").strip()
        found.append(f"the right to make namespaces and mounts ({said})")
    for device, module in (("/dev/fuse", "fuse"), ("/dev/loop-control", "loop")):
        try:
            os.close(os.open(device, os.O_RDWR))
        except OSError as error:
            found.append(f"{device} ({error.strerror}; perhaps `modprobe {module}` brings it)")
    # A container often sees the groups, but may not make any.
    tops = cgroups.hierarchies()
    if not tops or not all(os.access(top, os.W_OK) for top in tops):
        found.append("control groups that can be written to")
    return found


def install(say: Callable[[str], None], more: Mapping[str, str] | None = None) -> None:
    """Install what is missing by apt-get, with `more` packages by their programs. No service is started.

    Raises:
        SandboxError: apt-get failed; the message has the end of what it printed.
    """
    packages.install(packages.missing({**PACKAGES, **(more or {})}), say)
