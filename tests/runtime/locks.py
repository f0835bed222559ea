"""Somebody on a host who holds every lock that they can, to be in the way of others."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.runtime.lone_host import Host

HOLD = """
import fcntl, os, sys

held = []
for top in sys.argv[1:]:
    for folder, _, names in os.walk(top):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            held.append(descriptor)
print(len(held), flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by(on: Host, user: str, *folders: str) -> Iterator[int]:
    """A user of the host holds the lock of all that they can open in some folders; how many there are."""
    command = on.command("runuser", "-u", user, "--", "python3", "-c", HOLD, *folders)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as held:
        assert held.stdin is not None
        assert held.stdout is not None
        try:
            yield int(held.stdout.readline())
        finally:
            held.stdin.close()
