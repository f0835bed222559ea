"""The Debian root that all machines stand on: made once by mmdebstrap, then kept in the cache."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from sandbox.machine import tree
from sandbox.machine.run import environment, run
from sandbox.paths import CACHE

RELEASE = "trixie"
ROOTS = CACHE / "roots"

# grep, gzip, tar, util-linux and the like are essential, or come along.
PACKAGES = (
    "bind9-host",
    "ca-certificates",
    "cloud-init",
    "cpio",
    "curl",
    "dbus",
    "dosfstools",
    "e2fsprogs",
    "fdisk",
    "fuse3",
    "gawk",
    "gdisk",
    "grub-common",
    "hostname",
    "htop",
    "iproute2",
    "jq",
    "kmod",
    "lego",
    "less",
    "libnss-myhostname",
    "libnss-resolve",
    "libnss-systemd",
    "libpam-systemd",
    "locales",
    "mount",
    "nftables",
    "nginx-light",
    "nix-bin",
    "openssh-server",
    "openssl",
    "parted",
    "procps",
    "python3",
    "python3-starlette",
    "python3-uvicorn",
    "rclone",
    "restic",
    "sqlite3",
    "sudo",
    "systemd",
    "systemd-resolved",
    "systemd-sysv",
    "tzdata",
    "unzip",
    "xmlstarlet",
    "xz-utils",
)

# Debian starts these; no stage of a machine wants them. The last three see a new root at each boot.
_UNWANTED = (
    "etc/systemd/system/getty.target.wants/getty@tty1.service",
    "etc/systemd/system/multi-user.target.wants/e2scrub_reap.service",
    "etc/systemd/system/multi-user.target.wants/nginx.service",
    "etc/systemd/system/multi-user.target.wants/remote-fs.target",
    "etc/systemd/system/sysinit.target.wants/nftables.service",
    "etc/systemd/system/sysinit.target.wants/systemd-pstore.service",
    "etc/systemd/system/timers.target.wants/apt-daily-upgrade.timer",
    "etc/systemd/system/timers.target.wants/apt-daily.timer",
    "etc/systemd/system/timers.target.wants/dpkg-db-backup.timer",
    "etc/systemd/system/timers.target.wants/e2scrub_all.timer",
    "etc/systemd/system/timers.target.wants/fstrim.timer",
    "usr/lib/systemd/system/sysinit.target.wants/ldconfig.service",
    "usr/lib/systemd/system/sysinit.target.wants/systemd-firstboot.service",
    "usr/lib/systemd/system/sysinit.target.wants/systemd-journal-catalog-update.service",
)


class BaseError(Exception):
    """The root could not be made. The message says why."""


def key() -> str:
    """What the root is made of: another key is another root."""
    parts = [RELEASE, *PACKAGES, *_UNWANTED, tree.digest(tree.ROOTS / "base"), "1"]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def mirror() -> str:
    """The archive that this computer's own apt uses."""
    for source in sorted(Path("/etc/apt").rglob("*.sources")):
        for found in re.findall(r"^URIs:\s*(\S+)", source.read_text(), re.MULTILINE):
            if re.search(r"/debian/?$", found):
                return str(found)
    for source in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt").rglob("*.list"))]:
        text = source.read_text() if source.exists() else ""
        for found in re.findall(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)", text, re.MULTILINE):
            if re.search(r"/debian/?$", found):
                return str(found)
    return "http://deb.debian.org/debian"


async def ensure(progress: Callable[[str], None] = lambda _: None) -> Path:
    """The base root's folder, made first if the cache has none. Roots with another key stay.

    Args:
        progress: called with one short line for each step of making it.

    Raises:
        BaseError: mmdebstrap failed.
    """
    target = ROOTS / key()
    if target.exists():
        return target
    ROOTS.mkdir(parents=True, exist_ok=True)
    progress(f"Debian {RELEASE} from {mirror()}")
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=ROOTS))
    try:
        root = making / "root"
        await _bootstrap(root, progress)
        _settle(root)
        # A mistake in a machine must not reach the root of all others.
        try:
            root.rename(target)
        except OSError:
            if not target.exists():
                raise
    finally:
        # The folder may still hold mounts if mmdebstrap was killed; those are not to be followed.
        await run("rm", "--recursive", "--force", "--one-file-system", str(making))
    return target


async def _bootstrap(root: Path, progress: Callable[[str], None]) -> None:
    process = await asyncio.create_subprocess_exec(
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        '--aptopt=APT::Install-Recommends "false"',
        # What a power cut loses here is made again.
        "--dpkgopt=force-unsafe-io",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        # NixOS's default locale; its units set it.
        '--customize-hook=chroot "$1" localedef -i en_US -f UTF-8 en_US.UTF-8',
        RELEASE,
        str(root),
        mirror(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**environment(), "DEBIAN_FRONTEND": "noninteractive"},
    )
    said: list[str] = []
    try:
        while line := await process.stderr.readline() if process.stderr else b"":
            text = line.decode(errors="replace").strip()
            said.append(text)
            if text.startswith("I: ") and text.endswith("..."):
                progress(text.removeprefix("I: ").removesuffix("..."))
        status = await process.wait()
    except BaseException:
        process.terminate()
        await process.wait()
        raise
    if status != 0:
        unknown_key = any("NO_PUBKEY" in line for line in said)
        hint = "\nA newer debian-archive-keyring knows the key." if unknown_key else ""
        raise BaseError("mmdebstrap failed:\n" + "\n".join(said[-15:]) + hint)


def _settle(root: Path) -> None:
    units = root / "etc/systemd/system"
    for unit in _UNWANTED:
        (root / unit).unlink(missing_ok=True)
    tree.link(
        units / "multi-user.target.wants/systemd-networkd.service",
        "/usr/lib/systemd/system/systemd-networkd.service",
        root,
    )
    tree.link(
        units / "network-online.target.wants/systemd-networkd-wait-online.service",
        "/usr/lib/systemd/system/systemd-networkd-wait-online.service",
        root,
    )
    # Host keys made here would be everybody's.
    for host_key in (root / "etc/ssh").glob("ssh_host_*"):
        host_key.unlink()
    for name in ("nix/store", "nix/var/nix", "etc/nix", "usr/lib/sandbox/plex"):
        tree.folder(root / name, root)
    tree.write(root / "etc/machine-id", "", 0o444, root)
    tree.write(root / "etc/hostname", "localhost\n", 0o644, root)
    tree.write(root / "etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", 0o644, root)
    tree.copy(tree.ROOTS / "base", root)
    shutil.rmtree(root / "var/log/apt", ignore_errors=True)
