"""A disk that is full: the change is refused, or taken back, without a byte to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import SILENCE, Host

# Also what is reserved for root, as whom Nix builds.
_FILL = """
free=$(stat --file-system --format='%f %S' / | awk '{ print int($1 * $2 / 1048576) }')
fallocate -l "$((free - $1))M" /var/full
"""
_TO_THE_LAST_BYTE = "dd if=/dev/zero of=/var/full-too bs=4k 2>/dev/null || :"


@contextmanager
def full(host: Host, *, but: int = 0) -> Iterator[None]:
    """The host's disk is full, but for so many megabytes."""
    host.shell(_FILL, str(but or 64))
    if not but:
        host.shell(_TO_THE_LAST_BYTE)
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
    "in activation",
    "not even the acknowledgement finds room: `up` says so, and the host goes back; the next `up` makes the"
    " change, or the one after it, where the first could not be told",
)
def test_in_activation(host: Host) -> None:
    before = host.system()
    pause = host.pause("activate")
    with host.running() as process:
        pause.reached()
        with full(host):
            pause.over()
            said, _ = process.communicate()
            host.until_idle()
            assert host.system() == before
            assert host.rows() == host.films
    assert process.returncode != 0, said
    assert "No space left on device" in said
    if "the host is back on the generation before" in said:
        host.up()
    else:
        host.up_fails("the host is back on the generation before")


@fault(
    "a disk that fills up to the last byte",
    "while Plex's databases are copied for a newer one",
    "it cannot migrate them; the host goes back, and puts them back without a byte to write",
)
def test_in_a_migration(host: Host) -> None:
    before = host.system()
    host.newer_plex()
    host.shorter('await 90 "plex is active"')
    host.shorter(SILENCE)
    pause = host.pause("database")
    with host.running() as process:
        pause.reached()
        with full(host):
            pause.over()
            said, _ = process.communicate()
            host.until_idle()
            assert host.system() == before
    assert process.returncode != 0, said
    host.shell("systemctl restart plex")
    assert host.rows() == host.films
