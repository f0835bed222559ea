"""Debian's packages that the sandbox needs: installed, and no service of theirs put in force."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from sandbox import apt, commands
from sandbox.errors import SandboxError

RECORD = Path("/var/lib/plex-on-nixos/installing")
"""The packages that are being installed, there until their services have been disabled again."""

_LOCK = Path("/run/plex-on-nixos.lock")
"""Stays until the next boot: two runs could hold a lock each if it were removed."""

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
_WHOLE = {"installed", "not-installed", "config-files"}
_SECONDS = 60
_STOPPING = 120


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
        _settle(say, lock)
        if not packages:
            return
        say(f"installing {', '.join(packages)}")
        apt.run(["apt-get", "update", "-qq"], say)
        _get(packages, say, lock)


def settle(say: Callable[[str], None]) -> None:
    """End what a run that was killed has left of an installation.

    Raises:
        SandboxError: apt-get failed; the message has the end of what it printed.
    """
    if RECORD.exists():
        with _alone(say) as lock:
            _settle(say, lock)


def _settle(say: Callable[[str], None], lock: int) -> None:
    if not RECORD.exists():
        return
    say("an installation of packages was interrupted; going on with it")
    # Whoever holds apt's locks may do so for long.
    _disable(_recorded())
    quiet = {**_QUIET, "PATH": _PATH}
    # It fails where a package has been unpacked and what it depends on has not. apt-get gets that, and says
    # what else is wrong.
    with suppress(apt.FailedError):
        apt.run(["dpkg", "--configure", "--pending"], say, environment=quiet)
    _get(["--fix-broken"], say, lock)


def _get(words: list[str], say: Callable[[str], None], lock: int) -> None:
    command = ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *words]
    goes_on = False
    try:
        _write([*_recorded(), *_new(apt.run([*command, "--simulate"], say))])
        apt.run([*command, "-o", f"DPkg::Path={_PATH}"], say, environment=_QUIET, hold=lock)
    except SandboxError:
        # A dpkg without its apt-get may still unpack any of them.
        goes_on = apt.holder() is not None
        raise
    finally:
        names = _recorded()
        _disable(names)
        # What has come to nothing may be installed and started by the computer's owner.
        if left := [name for name in names if goes_on or not _whole(name)]:
            _write(left)
        else:
            _forget()


@contextmanager
def _alone(say: Callable[[str], None]) -> Iterator[int]:
    """One run at a time. An apt-get that outlives its run holds this on."""
    # Who is not root cannot open it, and so cannot hold it.
    lock = os.open(_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        apt.wait(lambda: _other(lock), say)
        os.pwrite(lock, f"{os.getpid():<20}".encode(), 0)
        yield lock
    finally:
        os.close(lock)


def _other(lock: int) -> str | None:
    """Who else has the lock; None once we have it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process = os.pread(lock, 20, 0).decode().strip()
        return apt.holder() or f"another run (process {process}), which installs packages"
    return None


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


def _recorded() -> list[str]:
    return RECORD.read_text().split() if RECORD.exists() else []


def _forget() -> None:
    if RECORD.parent.exists():
        shutil.rmtree(RECORD.parent)


def _disable(names: Iterable[str]) -> None:
    for scope, unit in sorted(_units(names)):
        state = _systemctl(scope, "is-enabled", unit)
        if state == "enabled":
            # After a power cut, it may have been started at the boot.
            now = ["--now"] if scope == "--system" else []
            _systemctl(scope, "disable", *now, unit, seconds=_STOPPING)


def _units(names: Iterable[str]) -> set[tuple[str, str]]:
    """Their units, each with the option that tells systemctl whose manager it is for."""
    found = set()
    for name in names:
        listed = _printed("dpkg-query", "--listfiles", name)
        for path in map(Path, listed.splitlines()):
            match path.parent.parts[-2:]:
                case ("systemd", "system") if path.suffix in _UNITS:
                    found.add(("--system", path.name))
                case ("systemd", "user") if path.suffix in _UNITS:
                    found.add(("--global", path.name))
                case ("etc", "init.d"):
                    found.add(("--system", f"{path.name}.service"))
    return found


def _whole(name: str) -> bool:
    """Whether a package is installed or not, and nothing between."""
    # Of one that was never here, dpkg-query prints nothing.
    state = _printed("dpkg-query", "--show", "--showformat=${Status}", name).split()
    return not state or state[-1] in _WHOLE


def _systemctl(*words: str, seconds: float = _SECONDS) -> str:
    return _printed("systemctl", *words, seconds=seconds)


def _printed(*command: str, seconds: float = _SECONDS) -> str:
    return commands.run(command, seconds=seconds).stdout.decode(errors="replace").strip()
