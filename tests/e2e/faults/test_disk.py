"""A disk that is full: the change is refused, or taken back, without a byte to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import Host

_FILL = """
# Also what is reserved for root, as whom Nix builds.
free=$(($(stat --file-system --format='%f * %S' /) / 1048576 - $1))
fallocate -l "${free}M" /var/full
[ "$1" != 0 ] || { dd if=/dev/zero of=/var/full-too bs=64k 2>/dev/null || :; }
"""


@contextmanager
def full(host: Host, *, but: int = 0) -> Iterator[None]:
    """The host's disk is full, but for so many megabytes."""
    host.shell(_FILL, str(but))
    try:
        yield
    finally:
        host.shell("rm -f /var/full /var/full-too")


@fault(
    "a disk with 500 MB left",
    "before the build",
    "the change is refused, and what is free and what is needed is said; the host is as it was",
)
def test_before_the_build(host: Host) -> None:
    before = host.system()
    host.change()
    with full(host, but=500):
        host.up_fails("MB are free in /nix/store; 1000 are needed", "the host is as it was")
    assert host.system() == before


@fault(
    "a disk that fills up to the last byte",
    "in build",
    "`up` fails and says so; the host is as it was",
)
def test_in_build(host: Host) -> None:
    before = host.system()
    pause = host.pause("build")
    with host.running() as process:
        pause.reached()
        with full(host):
            pause.over()
            said, _ = process.communicate()
            assert host.system() == before
    assert process.returncode != 0, said
    assert "No space left on device" in said
    assert "the host is as it was" in said


@fault(
    "a disk that fills up to the last byte",
    "before activation, while Plex's databases are copied",
    "…",
)
def test_in_activation(host: Host) -> None:
    before = host.system()
    pause = host.pause("activate")
    with host.running() as process:
        pause.reached()
        with full(host):
            pause.over()
            said, _ = process.communicate()
            assert host.system() == before
            assert host.rows() == host.films
    assert process.returncode != 0, said
