"""Measuring: each set of flags at each work, on each link; and players of all sets through outages."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, Any

from benchmarks.media import work
from benchmarks.media.library import FILM, Made
from benchmarks.media.mount import Mount
from benchmarks.media.player import Player

# Seconds before an answer, and bytes per second of one and of all.
LINKS = {
    "near": (0.02, 25_000_000, 100_000_000),
    "usual": (0.08, 25_000_000, 100_000_000),
    "bad": (0.2, 6_000_000, 100_000_000),
}
REFRESHES = 24  # in six hours, one each 15 minutes
OUTAGES = ("refused", "hanging", "503")
_UNDISTURBED = 30  # seconds of playing before an outage
_AFTER = 60  # and at least after it


@dataclass(frozen=True)
class Figure:
    """One work of one set on one link, once: seconds, bytes, calls of two classes, bytes of memory."""

    link: str
    flags: str
    work: str
    seconds: float
    asked: int = 0
    sent: int = 0
    B: int = 0
    C: int = 0
    memory: int = 0


@dataclass(frozen=True)
class Resumed:
    """A player of one set through one outage.

    Attributes:
        after: seconds from the endpoint's return to the end of the last stall; 0 if there was none by then.
        stalled: seconds of all stalls.
        error: what ended it, if anything did; `after` is then nothing.
    """

    outage: str
    lasts: int
    flags: str
    after: float
    stalled: float
    error: str


class Endpoint:
    """The stand-in's process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port: int = self._answer()["port"]

    def do(self, **command: object) -> dict[str, Any]:
        """Give it a command, and wait until it is followed."""
        pipe: IO[str] | None = self._process.stdin
        if pipe is None:
            raise RuntimeError("no pipe to the endpoint")
        pipe.write(json.dumps(command) + "\n")
        pipe.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError("the endpoint has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def endpoint(folder: Path) -> Iterator[Endpoint]:
    """The stand-in with what is in `folder`."""
    command = [sys.executable, "-m", "benchmarks.media.endpoint", str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Endpoint(process)
        finally:
            process.kill()


class Course:
    """One set of flags at all works, from an empty cache on."""

    def __init__(self, server: Endpoint, made: Made, folder: Path, link: str) -> None:
        self._server, self._made, self._folder, self._link = server, made, folder, link

    def run(self, name: str, flags: list[str]) -> Iterator[Figure]:
        """Do each work once."""
        self._server.do(link=LINKS[self._link])
        self._server.do(counts=True)
        with Mount(self._folder, flags, self._server.port) as mount:
            yield from self._works(name, mount, warm="--vfs-refresh" in flags)
            yield Figure(self._link, name, "peak memory", 0, memory=mount.peak_memory())
        began = time.monotonic()
        with Mount(self._folder, flags, self._server.port) as mount:

            def again() -> int:
                return work.stream(mount.path, self._made, 0) + work.scan(mount.path, self._made)

            yield self._timed(name, "restart, and the one stream and a scan again", again, began)
        mount.discard()

    def _works(self, name: str, mount: Mount, *, warm: bool) -> Iterator[Figure]:
        made, path, files = self._made, mount.path, self._made.library.listed
        began = time.monotonic()
        if warm:
            mount.until_warm(files)
        yield self._timed(name, "warm-up", lambda: 0, began)
        yield self._timed(name, "first scan", lambda: work.scan(path, made))
        yield self._timed(name, "second scan", lambda: work.scan(path, made))

        def six_hours() -> int:
            # For the others the five minutes run out in which rclone keeps a folder by itself.
            for _ in range(REFRESHES if warm else 1):
                mount.rc(*(("vfs/refresh", "recursive=true") if warm else ("vfs/forget",)))
            return 0

        yield self._timed(name, "six hours of refreshes", six_hours)
        yield self._timed(name, "scan after six hours", lambda: work.scan(path, made))
        opened = work.Opened(path, made)
        yield self._timed(name, "first 64 KB", opened.first)
        yield self._timed(name, "seek, and 4 MB", opened.seek)
        opened.close()
        yield self._timed(name, "one stream", lambda: work.stream(path, made, 0))
        yield self._timed(name, "four streams", lambda: work.four_streams(path, made))
        yield self._timed(name, "analysis", lambda: work.analysis(path, made))

    def _timed(
        self, name: str, what: str, do: Callable[[], int], began: float | None = None
    ) -> Figure:
        began = began or time.monotonic()
        asked = do()
        seconds = time.monotonic() - began
        return Figure(self._link, name, what, seconds, asked, **self._server.do(counts=True))


def outages(
    servers: dict[str, Endpoint],
    made: Made,
    folder: Path,
    sets: dict[str, list[str]],
    *,
    lasts: int,
    given_up: int,
) -> Iterable[Resumed]:
    """Let a player of each set go through an outage of each kind, all of them at once.

    Args:
        lasts: for how many seconds the endpoint is gone.
        given_up: for how many seconds after that a player that stands still is waited for.
    """
    players: dict[tuple[str, str], Player] = {}
    with ExitStack() as stack:
        numbers = count()
        mounts: dict[tuple[str, str], Mount] = {}
        for outage, server in servers.items():
            server.do(link=LINKS["usual"])
            for name, flags in sets.items():
                mount = Mount(folder / f"player-{next(numbers)}", flags, server.port)
                stack.callback(mount.discard)
                mounts[outage, name] = stack.enter_context(mount)
        for each, mount in mounts.items():
            players[each] = Player(mount.path / FILM, made.original(FILM))
        time.sleep(_UNDISTURBED)
        for outage, server in servers.items():
            server.do(outage=outage)
        time.sleep(lasts)
        for server in servers.values():
            server.do(outage=None)
        back = time.monotonic()
        while time.monotonic() - back < given_up:
            time.sleep(1)
            still = any(player.stands_still for player in players.values())
            if time.monotonic() - back > _AFTER and not still:
                break
        for player in players.values():
            player.stop()
    for (outage, name), player in players.items():
        ends = [end for _, end in player.stalls]
        yield Resumed(
            outage,
            lasts,
            name,
            after=max([0, *(end - back for end in ends)]),
            stalled=sum(end - start for start, end in player.stalls),
            error=player.error,
        )
