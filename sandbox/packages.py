"""Debian's packages that the sandbox needs: installed, and no service of theirs put in force."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sandbox import apt

RECORD = Path("/var/lib/plex-on-nixos/installing")
"""The packages that are being installed, there until their services have been disabled again."""

_DPKG = Path("/var/lib/dpkg")
_PATH = f"{Path(__file__).parent / 'quiet'}:/usr/sbin:/usr/bin:/sbin:/bin"
# Nothing is written that would keep services from starting: whoever is killed takes this along.
_QUIET = {
    "DEBIAN_FRONTEND": "noninteractive",
    # systemctl does what it does in a chroot, which is to leave alone what runs.
    "SYSTEMD_OFFLINE": "1",
    # Ubuntu's needrestart would restart what uses a library that has been upgraded.
    "NEEDRESTART_SUSPEND": "1",
}
_UNITS = {".path", ".service", ".socket", ".target", ".timer"}


def missing(wanted: Mapping[str, str]) -> list[str]:
    """Those of the packages (by the program or file that each is for) of which that is not here, sorted."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

    def here(what: str) -> bool:
        return Path(what).exists() if "/" in what else shutil.which(what, path=path) is not None

    return sorted({package for what, package in wanted.items() if not here(what)})


def install(packages: list[str], say: Callable[[str], None]) -> None:
    """Install packages by apt-get. Their services are neither started nor enabled for the next boot.

    What is running and what was enabled before stays as it is.

    Raises:
        SandboxError: apt-get failed; the message has the end of what it printed.
    """
    if not packages and not RECORD.exists():
        return
    with _alone(say) as lock:
        _settle(say)
        if not packages:
            return
        say(f"installing {', '.join(packages)}")
        apt.run(["apt-get", "update", "-qq"], say)
        command = ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *packages]
        _write(_new(apt.run([*command, "--simulate"], say)))
        try:
            apt.run([*command, "-o", f"DPkg::Path={_PATH}"], say, environment=_QUIET, hold=lock)
        finally:
            _disable(RECORD.read_text().split())
    _forget()


def settle(say: Callable[[str], None]) -> None:
    """End what a run that was killed has left of an installation.

    Raises:
        SandboxError: dpkg failed; the message has the end of what it printed.
    """
    if RECORD.exists():
        with _alone(say):
            _settle(say)


def _settle(say: Callable[[str], None]) -> None:
    if not RECORD.exists():
        return
    say("an installation of packages was interrupted; going on with it")
    quiet = {**_QUIET, "PATH": _PATH}
    try:
        apt.run(["dpkg", "--configure", "--pending"], say, environment=quiet)
    finally:
        _disable(RECORD.read_text().split())
    _forget()


@contextmanager
def _alone(say: Callable[[str], None]) -> Iterator[int]:
    """One run at a time. An apt-get that outlives its run holds this on."""
    lock = os.open(_DPKG, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run, which installs packages")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _new(simulated: str) -> list[str]:
    """The packages that were not here: a version in brackets is that of one that was."""
    return re.findall(r"^Inst (\S+) \(", simulated, re.MULTILINE)


def _write(names: Iterable[str]) -> None:
    RECORD.parent.mkdir(exist_ok=True)
    fresh = RECORD.with_suffix(".new")
    with fresh.open("w") as file:
        file.write("".join(f"{name}\n" for name in names))
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(RECORD)
    folder = os.open(RECORD.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _forget() -> None:
    shutil.rmtree(RECORD.parent)


def _disable(names: Iterable[str]) -> None:
    for scope, unit in sorted(_units(names)):
        state = _systemctl(scope, "is-enabled", unit)
        if state.stdout.strip() == "enabled":
            # After a power cut, it may have been started at the boot.
            _systemctl(scope, "disable", *(["--now"] if scope == "--system" else []), unit)


def _units(names: Iterable[str]) -> set[tuple[str, str]]:
    """Their units, each with the option that tells systemctl whose manager it is for."""
    found = set()
    for name in names:
        command = ["dpkg-query", "--listfiles", name]
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        for path in map(Path, listed.splitlines()):
            match path.parent.parts[-2:]:
                case ("systemd", "system") if path.suffix in _UNITS:
                    found.add(("--system", path.name))
                case ("systemd", "user") if path.suffix in _UNITS:
                    found.add(("--global", path.name))
                case ("etc", "init.d"):
                    found.add(("--system", f"{path.name}.service"))
    return found


def _systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
