"""apt, as this computer has it configured: its locks, its archive of Debian's, and the way there."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import struct
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from sandbox.errors import SandboxError

_PATIENCE = 600.0
"""Seconds for somebody else's apt to end."""

_FLOCK = "hhqqi"
"""The kernel's struct flock on 64 bits."""

_REPLACED = {"types", "uris", "suites", "components", "enabled"}

_WHERE = ("Dir::State::lists/d", "Dir::Cache::archives/d", "Dir::State::status/f")


@dataclass(frozen=True)
class _Holder:
    lock: Path
    process: int

    def __str__(self) -> str:
        name = "another program"
        with suppress(OSError):
            name = Path(f"/proc/{self.process}/comm").read_text().strip()
        return f"{name} (process {self.process}), which holds {self.lock}"


def run(
    command: list[str],
    say: Callable[[str], None],
    *,
    environment: Mapping[str, str] | None = None,
    hold: int | None = None,
) -> str:
    """Run apt-get or dpkg once nobody else has their locks, and return what it printed.

    Args:
        command: the command line.
        say: told whom this waits for.
        environment: added to our own.
        hold: a file that it keeps open.

    Raises:
        SandboxError: it failed, or another one did not end in time.
    """
    deadline = monotonic() + _PATIENCE
    while True:
        _wait(deadline, say)
        done = _run(command, {**(environment or {}), "LC_ALL": "C.UTF-8"}, hold)
        if done.returncode == 0:
            return done.stdout
        # Somebody else was quicker; the lock of the package lists is not waited for by apt-get itself.
        if not re.search(r"could not get lock|is locked by another process", done.stderr, re.I):
            said = (done.stderr.strip() or done.stdout.strip())[-2000:]
            raise SandboxError(f"{' '.join(command)} failed:\n{said}")
        sleep(1)


def _run(
    command: list[str], environment: Mapping[str, str], hold: int | None
) -> subprocess.CompletedProcess[str]:
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=() if hold is None else (hold,),
    ) as process:
        try:
            out, err = process.communicate()
        except KeyboardInterrupt:
            # The terminal has told it, too. Packages are not left half installed by a SIGKILL.
            process.communicate()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _wait(deadline: float, say: Callable[[str], None]) -> None:
    told = None
    while holder := _holder():
        if monotonic() > deadline:
            raise SandboxError(
                f"Waited {_PATIENCE / 60:.0f} minutes for {holder}. "
                "Run this again when it has ended, or end it."
            )
        if told != holder:
            say(f"waiting for {holder}")
            told = holder
        sleep(1)


def _holder() -> _Holder | None:
    asked = [word for number, key in enumerate(_WHERE) for word in (f"d{number}", key)]
    told = _output("apt-config", "shell", *asked)
    lists, archives, status = (Path(each.partition("=")[2]) for each in shlex.split(told))
    dpkg = (status.with_name("lock-frontend"), status.with_name("lock"))
    for lock in (*dpkg, lists / "lock", archives / "lock"):
        with suppress(FileNotFoundError), lock.open("rb") as file:
            wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, process = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, wanted))
            if kind != fcntl.F_UNLCK:
                return _Holder(lock, process)
    return None


def source(suite: str) -> str | None:
    """An apt source of Debian's `suite`, from the archive and with the keys that this computer's apt has for
    Debian; None where it has none. apt must have its package lists."""
    wanted = ("Created-By: Packages", "Origin: Debian", "Label: Debian")
    told = _output("apt-get", "indextargets", "--format", "$(SOURCESENTRY) $(REPO_URI)", *wanted)
    for line in told.splitlines():
        entry, _, archive = line.partition(" ")
        # A CD would have to be put in.
        if not archive.startswith("cdrom:"):
            file, _, number = entry.rpartition(":")
            return of_suite(Path(file), int(number), archive, suite)
    return None


def of_suite(file: Path, number: int, archive: str, suite: str) -> str:
    """The same source as one in a file of apt's, with another suite.

    Args:
        file: one of /etc/apt/sources.list, *.list or *.sources.
        number: which one of the file: a line's number in a list, a paragraph's in the newer format.
        archive: which one of its URIs.
        suite: what is wanted of it.
    """
    if file.suffix != ".sources":
        options = re.search(r"\[.*?\]", file.read_text().splitlines()[number - 1])
        return f"deb {f'{options[0]} ' if options else ''}{archive} {suite} main\n"
    lines = (line for line in file.read_text().splitlines() if not line.startswith("#"))
    paragraphs = [text for text in re.split(r"\n\s*\n", "\n".join(lines)) if text.strip()]
    kept, ours = "", True
    for line in paragraphs[number - 1].strip("\n").splitlines():
        # What begins with a space goes on with the field above it.
        if not line[0].isspace():
            ours = line.partition(":")[0].lower() in _REPLACED
        kept += "" if ours else f"{line}\n"
    return f"Types: deb\nURIs: {archive}\nSuites: {suite}\nComponents: main\n{kept}"


def way() -> list[str]:
    """What this computer's apt is told of proxies and certificates, as lines of its configuration."""
    return _output("apt-config", "dump", "Acquire::http", "Acquire::https").splitlines()


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SandboxError(f"{' '.join(command)} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout
