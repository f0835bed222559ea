"""apt, as this computer has it configured: its locks, its archive of Debian's, and the way there."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import struct
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from sandbox import commands
from sandbox.errors import SandboxError

_PATIENCE = 600.0
"""Seconds for somebody else's apt to end."""

_LONGEST = 3600.0
"""Seconds for our own."""

_SECONDS = 60.0
"""For a question to apt."""

_FLOCK = "hhqqi"
"""The kernel's struct flock on 64 bits."""

_REPLACED = {"types", "uris", "suites", "components", "enabled"}

_WHERE = ("Dir::State::lists/d", "Dir::Cache::archives/d", "Dir::State::status/f")


class FailedError(SandboxError):
    """apt-get or dpkg has ended with another status than 0."""


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
        FailedError: it failed; the message has the end of what it printed.
        SandboxError: it, or somebody else's, did not end in time.
    """
    deadline = monotonic() + _PATIENCE
    while True:
        wait(holder, say, deadline)
        done = _run(command, {**(environment or {}), "LC_ALL": "C.UTF-8"}, hold)
        if done.returncode == 0:
            return done.stdout
        # Somebody else was quicker; the lock of the package lists is not waited for by apt-get itself.
        if not re.search(r"could not get lock|is locked by another process", done.stderr, re.I):
            said = (done.stderr.strip() or done.stdout.strip())[-2000:]
            raise FailedError(f"{' '.join(command)} failed:\n{said}")
        sleep(1)


def _run(
    command: list[str], environment: Mapping[str, str], hold: int | None
) -> subprocess.CompletedProcess[str]:
    # Files and no pipes: a write to a pipe would end apt-get and dpkg once this process has been killed.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            pass_fds=() if hold is None else (hold,),
        )
        late = None
        try:
            process.wait(_LONGEST)
        except subprocess.TimeoutExpired:
            late = _program(_last_child(process.pid))
            # Packages are not left half installed by a SIGKILL.
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_SECONDS)
        except KeyboardInterrupt:
            # The terminal has told it, too.
            process.wait()
            raise
        printed = []
        for file in (out, err):
            file.seek(0)
            printed.append(file.read())
    if late:
        raise SandboxError(
            f"`{' '.join(command)}` did not end within {_LONGEST / 60:.0f} minutes, and was told to. "
            f"It was waiting for {late}. If that still runs, end it; then run this again. "
            f"{commands.end_of(*printed)}"
        )
    texts = (each.decode(errors="replace") for each in printed)
    return subprocess.CompletedProcess(command, process.returncode, *texts)


def _last_child(process: int) -> int:
    """The youngest descendant, for which all those above it wait."""
    with suppress(OSError, IndexError):
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return _last_child(int(children[-1]))
    return process


def _program(process: int) -> str:
    name = "another program"
    with suppress(OSError):
        name = Path(f"/proc/{process}/comm").read_text().strip()
    return f"{name} (process {process})"


def wait(
    whom: Callable[[], str | None], say: Callable[[str], None], deadline: float | None = None
) -> None:
    """Wait until there is nobody to wait for.

    Args:
        whom: tells whom to wait for.
        say: told the same, when it changes.
        deadline: on the monotonic clock; else ten minutes from now.

    Raises:
        SandboxError: there still is somebody.
    """
    deadline = monotonic() + _PATIENCE if deadline is None else deadline
    told = ""
    while someone := whom():
        if monotonic() > deadline:
            raise SandboxError(
                f"Waited {_PATIENCE / 60:.0f} minutes for {someone}. "
                "Run this again when it has ended, or end it."
            )
        if told != someone:
            told = someone
            say(f"waiting for {someone}")
        sleep(1)


def holder() -> str | None:
    """Who holds one of the locks of apt and dpkg."""
    asked = [word for number, key in enumerate(_WHERE) for word in (f"d{number}", key)]
    told = _output("apt-config", "shell", *asked)
    lists, archives, status = (Path(each.partition("=")[2]) for each in shlex.split(told))
    dpkg = (status.with_name("lock-frontend"), status.with_name("lock"))
    for lock in (*dpkg, lists / "lock", archives / "lock"):
        with suppress(FileNotFoundError), lock.open("rb") as file:
            wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, process = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, wanted))
            if kind != fcntl.F_UNLCK:
                return f"{_program(process)}, which holds {lock}"
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
    done = commands.run(command, seconds=_SECONDS)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[-2000:]
        raise SandboxError(f"{' '.join(command)} failed:\n{said}")
    return done.stdout.decode(errors="replace")
