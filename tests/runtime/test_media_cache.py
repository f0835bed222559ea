"""The size of the cache: decided on the host when the mount starts, by its own disk, unless it is set."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.runtime.lone_host import Host
from tests.runtime.media import PORT, Bucket, Mount, configure, media_host

_MIB = 1 << 20
_DISK = 20480 * _MIB
# Two generations, Plex and the journal; and swap, which this host has none of.
_OTHERS = (10240 + 2048) * _MIB
_DATABASES = "/var/lib/plex/Plex Media Server/Plug-in Support/Databases"


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with media_host(tmp_path_factory.mktemp("cache")) as running:
        made = Bucket(tmp_path_factory.mktemp("b2"))
        with running.serving(made.door, PORT):
            yield running


@pytest.fixture
def mount(lone: Host) -> Iterator[Mount]:
    """Not started. The cache has a disk to itself: what it holds takes memory, and the rest nothing."""
    lone.ok("mkdir", "-p", "/var/cache/rclone", "/mnt/cache")
    lone.ok("mount", "-t", "tmpfs", "-o", f"size={_DISK}", "cache", "/var/cache/rclone")
    yield Mount(lone)
    lone.ok("systemctl", "stop", "media")
    lone.ok("umount", "/var/cache/rclone")
    lone.ok("rm", "-rf", _DATABASES, "/var/lib/swapfile")


def size(mount: Mount) -> int:
    """What rclone itself takes for the most."""
    assert mount.start().returncode == 0, mount.host.journal("media")
    socket = "/run/media/rclone.sock"
    answer = json.loads(mount.host.ok("rclone", "rc", "--unix-socket", socket, "vfs/stats"))
    found: int = answer["opt"]["CacheMaxSize"]
    return found


def test_it_is_what_the_disk_has_left(mount: Mount) -> None:
    assert size(mount) == _DISK - _OTHERS
    said = "media-cache: 8192 MiB, of which 0 are there; 20480 MiB of the disk are free"
    assert said in mount.host.journal("media")


def test_what_is_cached_already_is_no_less_room(mount: Mount) -> None:
    mount.host.ok("dd", "if=/dev/zero", "of=/var/cache/rclone/film", "bs=1M", "count=64")
    assert size(mount) == _DISK - _OTHERS


def test_there_is_room_for_two_copies_of_plexs_databases(mount: Mount) -> None:
    mount.host.ok("mkdir", "-p", _DATABASES)
    mount.host.ok("fallocate", "-l", f"{300 * _MIB}", f"{_DATABASES}/library.db")
    room = _DISK - _OTHERS - size(mount)
    assert 600 * _MIB <= room <= 604 * _MIB


def test_swap_that_is_there_takes_no_more_room(mount: Mount) -> None:
    mount.host.ok("fallocate", "-l", f"{2048 * _MIB}", "/var/lib/swapfile")
    assert size(mount) == _DISK - _OTHERS + 2048 * _MIB


def test_it_is_never_nothing(mount: Mount) -> None:
    mount.host.ok("mount", "-o", f"remount,size={5000 * _MIB}", "/var/cache/rclone")
    assert size(mount) == 1024 * _MIB


def test_a_size_that_is_set_is_taken(lone: Host, mount: Mount) -> None:
    configure(lone, cacheGigabytes=3)
    try:
        assert size(mount) // _MIB == 3 * 10**9 // _MIB
    finally:
        lone.ok("systemctl", "stop", "media")
        configure(lone)
