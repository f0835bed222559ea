"""A control group for each machine, made and removed by hand.

systemd-nspawn with --keep-unit puts its payload beside itself, so two machines may not share a group. The
groups lie at the top of their hierarchy, outside of any login session, where systemd leaves strangers alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")


def hierarchies() -> list[Path]:
    """Where a group is needed: the one hierarchy of version 2, or systemd's own two of version 1."""
    if (_MOUNT / "cgroup.controllers").exists():
        return [_MOUNT]
    return [path for path in (_MOUNT / "systemd", _MOUNT / "unified") if path.is_dir()]


def names(prefix: str) -> set[str]:
    """The names of the groups that begin with `prefix`."""
    return {path.name for top in hierarchies() for path in top.glob(f"{prefix}*")}


def processes(name: str) -> set[int]:
    """Every process in the group and the groups below it."""
    return {
        int(pid)
        for top in hierarchies()
        # Groups below may go while this looks, which os.walk does not mind.
        for folder, _, _ in os.walk(top / name)
        for pid in _read(Path(folder) / "cgroup.procs").split()
        if pid != "0"
    }


async def kill(name: str) -> None:
    """End every process of the group at once, and wait until none is left."""
    while pids := processes(name):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        # The kernel tells nobody when a group of version 1 has become empty.
        await asyncio.sleep(0.01)


async def remove(name: str) -> None:
    """Remove the group, whose processes have ended.

    Raises:
        OSError: it is still in use after a minute.
    """
    for attempt in range(6000):
        try:
            for top in hierarchies():
                _remove(top / name)
        except OSError:
            if attempt == 5999:
                raise
            # A process that has been killed is a member until it has been buried.
            await asyncio.sleep(0.01)
        else:
            return


def _remove(group: Path) -> None:
    if not group.exists():
        return
    for below, _, _ in os.walk(group, topdown=False):
        Path(below).rmdir()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
