"""The watchdog heals a mount that hangs, and leaves alone one that is well, slow, or cut from its bucket."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.runtime.lone_host import Host
from tests.runtime.media import (
    FILM,
    PORT,
    Bucket,
    Mount,
    await_true,
    media_host,
)

_FILM = "/mnt/media/Films/Nosferatu (1922)/Nosferatu – Symphonie.mkv"


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with media_host(tmp_path_factory.mktemp("watch")) as running:
        yield running


@pytest.fixture
def bucket(lone: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    made = Bucket(tmp_path_factory.mktemp("b2"))
    with lone.serving(made.door, PORT):
        yield made
        made.door.open.set()


@pytest.fixture
def mount(lone: Host, bucket: Bucket) -> Iterator[Mount]:
    """It runs, and has seen the whole bucket."""
    made = Mount(lone)
    assert made.start().returncode == 0, lone.journal("media")
    made.await_listing(5)
    lone.ok("media-refresh")
    bucket.door.calls.clear()
    yield made
    bucket.door.open.set()
    lone.ok("systemctl", "stop", "media-watch")
    lone.run("systemctl", "reset-failed", "media-watch")
    made.take_down()


def forget(mount: Mount) -> None:
    """What is known of the bucket, as right after a start."""
    mount.host.ok("rclone", "rc", "--unix-socket", "/run/media/rclone.sock", "vfs/forget")


def plex_runs(mount: Mount) -> bool:
    return mount.host.run("systemctl", "is-active", "--quiet", "plex").returncode == 0


def test_it_looks_once_a_minute(lone: Host) -> None:
    intervals = lone.ok("systemctl", "show", "-P", "TimersMonotonic", "media-watch.timer")
    assert intervals.count("=1min ") == 2


def test_one_that_is_well_is_left_alone_and_nothing_is_said(mount: Mount, bucket: Bucket) -> None:
    before = mount.show("MainPID")
    mount.host.ok("systemctl", "start", "media-watch")
    assert mount.show("MainPID") == before
    assert bucket.door.calls == [], "the bucket is not even asked"
    assert mount.host.journal("media-watch") == ""


def test_one_that_hangs_is_healed(mount: Mount) -> None:
    before = mount.show("MainPID")
    await_true(lambda: plex_runs(mount))
    reads = 'exec 3<"$1" && echo open && read -r _ && cat <&3 >/dev/null'
    hung = mount.host.command("sh", "-c", reads, "sh", _FILM)
    with subprocess.Popen(
        hung, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"open\n"
        mount.host.ok("kill", "-STOP", before)
        reader.stdin.write(b"\n")
        reader.stdin.flush()
        mount.host.ok("systemctl", "start", "media-watch")

        assert reader.wait(300) != 0, "who hung on it is free"
    await_true(lambda: mount.show("MainPID") not in (before, "0"))
    mount.await_that("ActiveState", "active")
    assert mount.mounted() == ["fuse.rclone"]
    (film,) = mount.path.glob("Films/*/*.mkv")
    assert film.read_bytes() == FILM
    await_true(lambda: plex_runs(mount))
    assert "the mount hangs, though the bucket can be opened" in mount.host.journal("media-watch")


def test_an_outage_of_the_bucket_does_not_concern_what_is_known(
    mount: Mount, bucket: Bucket
) -> None:
    before = mount.show("MainPID")
    bucket.door.open.clear()
    mount.host.ok("systemctl", "start", "media-watch")
    assert mount.show("MainPID") == before
    assert bucket.door.calls == []


@pytest.mark.heavy
def test_one_that_waits_for_the_bucket_is_left_alone(mount: Mount, bucket: Bucket) -> None:
    before = mount.show("MainPID")
    forget(mount)
    bucket.door.open.clear()
    mount.host.ok("systemctl", "start", "--no-block", "media-watch")
    said = "the mount answers nothing for now, and b2:films-and-music cannot be opened with its key: no"
    await_true(lambda: said in mount.host.journal("media-watch"), 150)

    bucket.door.open.set()
    mount.host.ok("systemctl", "start", "media-watch")  # ends when the one that runs has ended
    assert mount.show("MainPID") == before
    assert len(mount.files()) == 2


@pytest.mark.heavy
def test_one_that_is_slow_is_left_alone(mount: Mount, bucket: Bucket) -> None:
    before = mount.show("MainPID")
    forget(mount)
    bucket.door.open.clear()
    mount.host.ok("systemctl", "start", "--no-block", "media-watch")
    # It hung once, and the bucket itself is asked.
    await_true(lambda: "b2_authorize_account" in bucket.door.calls)
    bucket.door.open.set()
    mount.host.ok("systemctl", "start", "media-watch")
    assert mount.show("MainPID") == before
    assert len(mount.files()) == 2


def test_without_a_mount_there_is_nothing_to_heal(mount: Mount) -> None:
    mount.host.ok("systemctl", "stop", "media")
    mount.host.ok("systemctl", "start", "media-watch")
    assert mount.show("ActiveState") == "inactive"
