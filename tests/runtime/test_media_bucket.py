"""A bucket that is not what it was: gone, emptied, or shut to its key. Plex never sees an empty library."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.runtime.lone_host import Host
from tests.runtime.media import Bucket, Mount, await_true, configure, hand_over, media_host, served

_BOTH = {"Films/Nosferatu (1922)/Nosferatu – Symphonie.mkv", "Music/Ärger.flac"}
_EMPTIED = "b2:films-and-music has held something and is empty now, so Plex is not started"


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with media_host(tmp_path_factory.mktemp("bucket")) as running:
        yield running


@pytest.fixture
def bucket(lone: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with served(lone, tmp_path_factory.mktemp("b2")) as bucket:
        yield bucket


@pytest.fixture
def mount(lone: Host, bucket: Bucket) -> Iterator[Mount]:
    """Not started yet, on a host that knows nothing of the bucket."""
    del bucket
    made = Mount(lone)
    yield made
    made.take_down()


@pytest.fixture
def started(mount: Mount) -> Mount:
    assert mount.start().returncode == 0, mount.host.journal("media")
    await_true(lambda: plex_runs(mount))
    return mount


def plex_runs(mount: Mount) -> bool:
    return mount.host.run("systemctl", "is-active", "--quiet", "plex").returncode == 0


def said(mount: Mount, unit: str, since: str) -> str:
    mount.host.ok("journalctl", "--sync")
    return mount.host.ok("journalctl", "-u", unit, "-o", "cat", f"--after-cursor={since}")


def now(mount: Mount) -> str:
    mount.host.ok("journalctl", "--sync")
    shown = mount.host.ok("journalctl", "-n", "0", "--show-cursor")
    return shown.rpartition("cursor: ")[2].strip()


def plex_is_kept_from_it(mount: Mount) -> None:
    """The mount is tried again and again, and nobody but root looks into the folder meanwhile."""
    await_true(lambda: mount.show("SubState") == "auto-restart")
    assert not plex_runs(mount)
    assert mount.mounted() == []
    assert mount.host.run("runuser", "-u", "plex", "--", "ls", "/mnt/media").returncode != 0
    restarts = int(mount.show("NRestarts"))
    await_true(lambda: int(mount.show("NRestarts")) > restarts + 1)
    assert not plex_runs(mount)


def comes_back_by_itself(mount: Mount) -> None:
    mount.await_that("ActiveState", "active")
    await_true(lambda: plex_runs(mount))
    assert mount.files() == _BOTH


def test_an_emptied_bucket_is_no_empty_library(started: Mount, bucket: Bucket) -> None:
    bucket.empty()
    begun = now(started)

    # By the timer's unit, whose failure is what the host reports.
    assert started.host.run("systemctl", "start", "media-refresh").returncode == 1

    plex_is_kept_from_it(started)
    assert _EMPTIED in said(started, "media-refresh", begun)
    assert _EMPTIED in said(started, "media", begun)
    bucket.fill()
    comes_back_by_itself(started)
    assert started.host.run("systemctl", "start", "media-refresh").returncode == 0


def test_it_is_noticed_at_a_start_too(started: Mount, bucket: Bucket) -> None:
    started.host.ok("systemctl", "stop", "media")
    bucket.empty()
    begun = now(started)

    assert started.start().returncode == 1

    assert _EMPTIED in said(started, "media", begun)
    plex_is_kept_from_it(started)
    bucket.fill()
    comes_back_by_itself(started)


def test_that_it_is_meant_is_one_command(started: Mount, bucket: Bucket) -> None:
    bucket.empty()
    assert started.host.run("media-refresh").returncode == 1
    plex_is_kept_from_it(started)
    assert "sudo media-refresh --emptied" in started.host.journal("media")

    started.host.ok("media-refresh", "--emptied")

    assert started.show("ActiveState") == "active"
    await_true(lambda: plex_runs(started))
    assert started.files() == set()
    # It has held nothing yet that could be missed, until it does again.
    bucket.fill()
    started.host.ok("media-refresh")
    assert started.files() == _BOTH
    bucket.empty()
    assert started.host.run("media-refresh").returncode == 1


def test_a_new_bucket_is_empty(mount: Mount, bucket: Bucket) -> None:
    bucket.empty()
    assert mount.start().returncode == 0
    mount.host.ok("media-refresh")
    await_true(lambda: plex_runs(mount))

    bucket.fill()
    mount.host.ok("media-refresh")
    assert mount.files() == _BOTH


def test_what_another_bucket_held_is_not_missed_in_this_one(
    started: Mount, bucket: Bucket, lone: Host
) -> None:
    lone.ok("systemctl", "stop", "media")
    lone.write("/var/lib/secrets/rclone.conf", bucket.another("other-films"), 0o600)
    configure(lone, b2Bucket="other-films")
    try:
        assert started.start().returncode == 0, lone.journal("media")
        assert started.files() == set()
    finally:
        configure(lone)
        hand_over(lone)


@pytest.mark.parametrize(
    ("harm", "repair", "reason"),
    [
        (Bucket.revoke_key, Bucket.give_key, "(401 unauthorized)"),
        (Bucket.take_away, Bucket.make_anew, "you must use bucket(s)"),
    ],
)
def test_a_key_that_opens_it_no_longer_stops_plex(
    started: Mount,
    bucket: Bucket,
    harm: Callable[[Bucket], None],
    repair: Callable[[Bucket], None],
    reason: str,
) -> None:
    harm(bucket)
    begun = now(started)

    assert started.host.run("systemctl", "start", "media-refresh").returncode == 1

    assert reason in said(started, "media-refresh", begun)
    plex_is_kept_from_it(started)
    assert reason in said(started, "media", begun)
    repair(bucket)
    comes_back_by_itself(started)


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_a_bucket_that_is_busy_stops_nothing(started: Mount, bucket: Bucket, status: int) -> None:
    """Status 403 is that of an account's cap for the day."""
    before = started.show("MainPID")
    started.host.ok("media-refresh")
    bucket.door.refuse = status

    done = started.host.run("media-refresh")

    assert (done.returncode, done.stdout.splitlines()[0][:54]) == (
        75,
        "media-refresh: b2:films-and-music cannot be opened wit",
    )
    assert started.show("MainPID") == before
    assert plex_runs(started)
    assert started.files() == _BOTH


def test_a_bucket_that_does_not_exist_is_told(lone: Host, mount: Mount, bucket: Bucket) -> None:
    """By a key that may open any, which B2 does not refuse for it."""
    lone.write("/var/lib/secrets/rclone.conf", bucket.with_key_for_all(), 0o600)
    configure(lone, b2Bucket="other-films")
    try:
        assert mount.start().returncode == 1
        assert "b2:other-films cannot be opened with its key: " in lone.journal("media")
        assert "directory not found" in lone.journal("media")
        assert mount.mounted() == []
        assert not plex_runs(mount)
    finally:
        configure(lone)
        hand_over(lone)
