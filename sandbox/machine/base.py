"""The Debian root that all machines stand on: made once by mmdebstrap, then kept in the cache."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from sandbox import apt
from sandbox.machine import tree
from sandbox.machine.run import environment, run
from sandbox.paths import CACHE
from sandbox.world.process import DIES_WITH_US

RELEASE = "trixie"
ROOTS = CACHE / "roots"
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")

# grep, gzip, tar, util-linux and the like are essential, or come along.
PACKAGES = (
    "bind9-host",
    "busybox-static",
    "ca-certificates",
    "cloud-guest-utils",
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
    "grub-efi-amd64-bin",
    "grub-pc-bin",
    "grub2-common",
    "hostname",
    "htop",
    "iproute2",
    "jq",
    "kexec-tools",
    "kmod",
    "lego",
    "less",
    "libnss-myhostname",
    "libnss-resolve",
    "libnss-systemd",
    "libpam-systemd",
    "linux-image-cloud-amd64",
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
    "qemu-guest-agent",
    "rclone",
    "restic",
    "sqlite3",
    "sudo",
    "systemd",
    "systemd-resolved",
    "systemd-sysv",
    "tzdata",
    "udev",
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


async def ensure(progress: Callable[[str], None] = lambda _: None) -> Path:
    """The base root's folder, made first if the cache has none. Roots with another key stay.

    Args:
        progress: called with one short line for each step of making it.

    Raises:
        BaseError: mmdebstrap failed.
        SandboxError: apt cannot be asked for its archive.
    """
    target = ROOTS / key()
    if target.exists():
        return target
    ROOTS.mkdir(parents=True, exist_ok=True)
    lock = os.open(ROOTS, os.O_RDONLY | os.O_DIRECTORY)
    try:
        await _alone(lock, progress)
        if not target.exists():
            await _make(target, progress)
    finally:
        os.close(lock)
    return target


async def _alone(lock: int, progress: Callable[[str], None]) -> None:
    told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told:
                progress("waiting for another run, which makes it")
            told = True
            # No thread that waits for the lock: nobody could cancel it.
            await asyncio.sleep(1)
        else:
            return


async def _make(target: Path, progress: Callable[[str], None]) -> None:
    # What runs that were killed have left. It may hold mounts, which are not to be followed.
    remove = ("rm", "--recursive", "--force", "--one-file-system")
    await run(*remove, *map(str, ROOTS.glob(".making-*")))
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=ROOTS))
    try:
        await _bootstrap(making, progress)
        _settle(making / "root")
        # A mistake in a machine must not reach the root of all others.
        (making / "root").rename(target)
    finally:
        await run(*remove, str(making))


def _archive(making: Path, progress: Callable[[str], None]) -> list[str]:
    """What tells mmdebstrap of the archive that this computer's apt uses, and of the way there.

    Nothing does where apt has no archive of Debian's, as on Ubuntu: mmdebstrap knows one.
    """
    if not (source := apt.source(RELEASE)):
        # A system may be so new that it has no package lists.
        apt.run(["apt-get", "update", "-qq"], progress)
        source = apt.source(RELEASE)
    way = [f"--aptopt={line}" for line in apt.way()]
    if not source:
        progress(
            f"Debian {RELEASE}; this computer's apt has no archive of it, mmdebstrap's is taken"
        )
        return [*way, RELEASE, str(making / "root")]
    progress(f"Debian {RELEASE} from the archive that this computer's apt uses")
    file = making / "sources"
    file.touch(mode=0o600)
    file.write_text(source)
    return [*way, RELEASE, str(making / "root"), str(file)]


async def _bootstrap(making: Path, progress: Callable[[str], None]) -> None:
    archive = await asyncio.to_thread(_archive, making, progress)
    proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *DIES_WITH_US,
        # The end of the first of them is the end of all, and of their mounts.
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
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
        *archive,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={
            **environment(),
            **proxies,
            "DEBIAN_FRONTEND": "noninteractive",
            "INITRD": "No",  # a generation brings its own
            "TMPDIR": str(making),
        },
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
        process.kill()
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
    # What machines with a kernel of their own boot, where a build of the miniature nixpkgs finds it.
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    tree.folder(root / "usr/lib/sandbox", root)
    kernel.rename(root / "usr/lib/sandbox/vmlinuz")
    for link in root.glob("vmlinuz*"):
        link.unlink()
    for left in (root / "boot").iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
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
    # The archive and the proxies of this computer are not the machines' business.
    shutil.rmtree(root / "etc/apt/sources.list.d", ignore_errors=True)
    for name in ("sources.list", "apt.conf.d/99mmdebstrap"):
        (root / "etc/apt" / name).unlink(missing_ok=True)
