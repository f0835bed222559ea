"""New files in the bucket: the mount's refresh, by command and by its timer, with the real rclone."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from functools import partial

import pytest

from tests.runtime.locks import held_by
from tests.runtime.lone_host import Host
from tests.runtime.media import Bucket, Mount, await_true, media_host, served


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with media_host(tmp_path_factory.mktemp("refresh")) as running:
        yield running


@pytest.fixture
def bucket(lone: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with served(lone, tmp_path_factory.mktemp("b2")) as bucket:
        yield bucket


@pytest.fixture
def mount(lone: Host, bucket: Bucket) -> Iterator[Mount]:
    """It runs, and has seen the whole bucket."""
    made = Mount(lone)
    assert made.start().returncode == 0, lone.journal("media")
    made.await_listing(5)
    lone.ok("media-refresh")
    bucket.door.calls.clear()
    yield made
    made.take_down()


def shows(mount: Mount, name: str) -> bool:
    return name in mount.files()


def test_a_new_file_shows_after_a_refresh_and_not_before(mount: Mount, bucket: Bucket) -> None:
    bucket.put("Films/M (1931)/M.mkv", b"new")
    before = mount.files()

    said = mount.host.ok("media-refresh")

    assert mount.files() - before == {"Films/M (1931)/M.mkv"}
    assert re.fullmatch(r"media-refresh: 7 files and folders, in \d+\.\d s\n", said)


def test_one_folder_alone_is_refreshed(mount: Mount, bucket: Bucket) -> None:
    bucket.put("Films/M (1931)/M.mkv", b"new")
    bucket.put("Music/Requiem.flac", b"new")
    before = mount.files()

    said = mount.host.ok("media-refresh", "Music")

    assert mount.files() - before == {"Music/Requiem.flac"}
    assert said.startswith("media-refresh: 2 files and folders in Music, in ")
    assert mount.host.ok("media-refresh", "/mnt/media/Films/").startswith(
        "media-refresh: 4 files and folders in Films, in "
    )
    assert "Films/M (1931)/M.mkv" in mount.files()


def test_a_new_folder_in_a_new_folder_can_be_named(mount: Mount, bucket: Bucket) -> None:
    name = 'Series/It\'s "new" $x/Staffel 1/01.mkv'
    bucket.put(name, b"new")
    assert mount.host.ok("media-refresh", name.rpartition("/")[0]).startswith(
        "media-refresh: 1 files and folders in "
    )
    assert name in mount.files()


def test_a_folder_that_is_not_there_is_said(mount: Mount) -> None:
    before = mount.files()
    done = mount.host.run("media-refresh", "Flims")
    assert (done.returncode, done.stdout) == (
        1,
        "media-refresh: there is no folder Flims in the bucket\n",
    )
    assert mount.files() == before


def test_a_scan_asks_the_bucket_for_no_listing(mount: Mount, bucket: Bucket) -> None:
    for _ in range(2):
        assert len(mount.files()) == 2
    assert [call for call in bucket.door.calls if "list" in call] == []

    # A look at the bucket's top, which has to hold something, and all folders in one page of a listing.
    mount.host.ok("media-refresh")
    listed = ["b2_authorize_account", "b2_list_file_names", "b2_list_file_names"]
    assert bucket.door.calls == listed


def test_its_timer_does_it(mount: Mount, bucket: Bucket) -> None:
    timer = "/run/systemd/system/media-refresh.timer.d/test.conf"
    intervals = mount.host.ok("systemctl", "show", "-P", "TimersMonotonic", "media-refresh.timer")
    assert intervals.count("=15min ") == 2
    each_second = "OnActiveSec=\nOnUnitInactiveSec=\nOnActiveSec=1s\nOnUnitInactiveSec=1s\n"
    mount.host.write(timer, f"[Timer]\n{each_second}")
    mount.host.ok("systemctl", "daemon-reload")
    try:
        mount.host.ok("systemctl", "start", "media-refresh.timer")
        for number in range(2):
            name = f"Films/{number}.mkv"
            bucket.put(name, b"new")
            await_true(partial(shows, mount, name))
    finally:
        mount.host.ok("systemctl", "stop", "media-refresh.timer")
        mount.host.ok("rm", timer)


def test_nobody_but_root_commands_rclone(mount: Mount) -> None:
    folder = mount.host.root / "run/media"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_ISSOCK((folder / "rclone.sock").stat().st_mode)
    as_plex = ["runuser", "-u", "plex", "--", "rclone", "rc", "--unix-socket"]
    done = mount.host.run(*as_plex, "/run/media/rclone.sock", "core/pid")
    assert done.returncode != 0
    assert "permission denied" in done.stderr
    # And there is no port.
    pid = mount.show("MainPID")
    listening = mount.host.ok("ss", "--listening", "--tcp", "--udp", "--processes", "--no-header")
    assert f"pid={pid}," not in listening
    refused = mount.host.run("runuser", "-u", "plex", "media-refresh")
    assert (refused.returncode, refused.stderr) == (
        2,
        "media-refresh: it takes root: sudo media-refresh\n",
    )


def test_nobody_else_can_hold_its_lock(mount: Mount) -> None:
    with held_by(mount.host, "plex", "/nix/store", "/run") as held:
        assert held > 0
        for refresh in (["media-refresh"], ["systemctl", "start", "media-refresh"]):
            mount.host.ok("timeout", "60", *refresh)


def test_without_the_mount_it_says_where_to_look_and_has_not_failed(mount: Mount) -> None:
    mount.host.ok("systemctl", "stop", "media")
    done = mount.host.run("media-refresh")
    assert done.returncode == 75
    assert "journalctl -u media" in done.stdout
    mount.host.ok("systemctl", "start", "media-refresh")


def test_while_the_bucket_cannot_be_reached_what_is_known_stays(
    mount: Mount, bucket: Bucket
) -> None:
    bucket.door.refuse = 503
    done = mount.host.run("media-refresh")
    assert done.returncode == 75, done.stdout
    assert "b2:films-and-music cannot be opened with its key: " in done.stdout
    assert mount.show("ActiveState") == "active"
    assert len(mount.files()) == 2
