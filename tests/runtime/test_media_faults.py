"""What a mount goes through while it is used. No file that exists ends in an error; no unit gives up."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from sandbox.b2.link import Link
from tests.runtime.lone_host import Host
from tests.runtime.media import (
    FILM,
    PORT,
    Bucket,
    Mount,
    await_true,
    media_host,
)

_FILM = "Films/Nosferatu (1922)/Nosferatu – Symphonie.mkv"
# As long as a file system takes it; of two bytes a letter, but for the last.
_LONG = "ä" * 127 + "z"
# What is in the bucket, and what is seen of it. B2 has no control characters and no backslash in its names;
# rclone uploads them as other letters, and turns the backslash alone back.
_NAMES = {
    "quotes": ('Films/It\'s "all" `quiet` $HOME %d; rm -rf.mkv',) * 2,
    "a newline": ("Films/two␊lines.mkv",) * 2,
    "a backslash": ("Films/one＼two.mkv", "Films/one\\two.mkv"),
    "unicode": ("Films/日本語 – 🎬 á.mkv",) * 2,
    "spaces": ("Films/ before and after .mkv ",) * 2,
    "an option": ("Films/-rf",) * 2,
    "wildcards": ("Films/a*b?c[d]|e<f>g:h.mkv",) * 2,
    "255 bytes": (f"Films/{_LONG}",) * 2,
    "255 bytes twice": (f"{_LONG}/{_LONG}",) * 2,
}


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with media_host(tmp_path_factory.mktemp("faults")) as running:
        yield running


@pytest.fixture
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Bucket:
    return Bucket(tmp_path_factory.mktemp("b2"))


@pytest.fixture
def served(lone: Host, bucket: Bucket) -> Iterator[Bucket]:
    with lone.serving(bucket.door, PORT):
        yield bucket
        bucket.door.open.set()


@pytest.fixture
def mount(lone: Host) -> Iterator[Mount]:
    """Not started yet."""
    made = Mount(lone)
    yield made
    made.take_down()


@pytest.fixture
def started(served: Bucket, mount: Mount) -> Mount:
    del served
    assert mount.start().returncode == 0, mount.host.journal("media")
    mount.host.ok("media-refresh")
    return mount


def plex_runs(mount: Mount) -> bool:
    return mount.host.run("systemctl", "is-active", "--quiet", "plex").returncode == 0


@contextmanager
def reading(mount: Mount, path: str) -> Iterator[subprocess.Popen[bytes]]:
    """A player that has read the first MiB, and reads on to the end when its input is closed."""
    script = 'exec 3<"$1"; head -c 1048576 <&3; read -r _; cat <&3'
    with subprocess.Popen(
        mount.host.command("sh", "-c", script, "sh", f"/mnt/media/{path}"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        yield process
        process.kill()


def first(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.read(1 << 20)


def test_an_rclone_that_is_killed_with_files_open_comes_back(started: Mount) -> None:
    await_true(lambda: plex_runs(started))
    before = started.show("MainPID")
    with reading(started, _FILM) as player:
        assert first(player) == FILM[: 1 << 20]
        started.host.ok("kill", "-KILL", before)
        await_true(lambda: started.show("MainPID") not in (before, "0"))
        started.await_that("ActiveState", "active")
        # Whoever had it open learns that it is over, and does not hang.
        _, error = player.communicate(b"\n", timeout=60)
        assert player.returncode != 0, error
    assert (started.path / _FILM).read_bytes() == FILM
    await_true(lambda: plex_runs(started))


def test_a_missing_fusermount_is_waited_for(served: Bucket, mount: Mount) -> None:
    del served
    hidden = "mv /usr/bin/fusermount3 /usr/bin/fusermount3.away"
    mount.host.ok("sh", "-c", hidden)
    try:
        assert mount.start().returncode == 1
        restarts = int(mount.show("NRestarts"))
        await_true(lambda: int(mount.show("NRestarts")) > restarts + 5, 300)
        assert not plex_runs(mount)
    finally:
        mount.host.ok("mv", "/usr/bin/fusermount3.away", "/usr/bin/fusermount3")
    mount.await_that("ActiveState", "active")
    await_true(lambda: plex_runs(mount))
    assert (mount.path / _FILM).read_bytes() == FILM


def test_a_host_that_boots_without_the_bucket_waits_and_comes_up_by_itself(
    lone: Host, mount: Mount, bucket: Bucket
) -> None:
    """As at a boot, both are wanted at once; and nobody listens at the bucket's address."""
    lone.ok("systemctl", "start", "--no-block", "media", "plex")
    await_true(lambda: int(mount.show("NRestarts")) > 3)
    assert not plex_runs(mount)
    assert mount.mounted() == []

    with lone.serving(bucket.door, PORT):
        mount.await_that("ActiveState", "active")
        await_true(lambda: plex_runs(mount))
        assert mount.files() == {_FILM, "Music/Ärger.flac"}
        lone.ok("systemctl", "stop", "media")


def test_a_revoked_key_ends_no_unit_for_good(started: Mount, served: Bucket) -> None:
    before = started.show("MainPID")
    served.revoke_key()
    # What is known stays: nobody sees fewer files than there are.
    assert started.files() == {_FILM, "Music/Ärger.flac"}
    served.door.calls.clear()
    # Nor does a film end: whoever reads one waits for the key.
    with reading(started, _FILM) as player, ThreadPoolExecutor(1) as pool:
        read = pool.submit(player.communicate, b"\n", 50)
        await_true(lambda: served.door.calls.count("b2_authorize_account") > 2)
        assert (started.show("ActiveState"), started.show("MainPID")) == ("active", before)
        served.give_key()
        content, error = read.result()
        assert content == FILM, error


@pytest.mark.parametrize("status", [429, 503])
def test_a_storm_of_refusals_is_ridden_out(started: Mount, served: Bucket, status: int) -> None:
    """Two of three calls are refused, for as long as the film is read."""
    served.door.calls.clear()
    served.door.storm = status
    assert (started.path / _FILM).read_bytes() == FILM
    assert served.door.refused > 0


def test_an_endpoint_that_is_gone_while_a_film_plays_is_waited_for(
    started: Mount, served: Bucket
) -> None:
    served.linked.link = Link(stream=300_000)
    with reading(started, _FILM) as player, ThreadPoolExecutor(1) as pool:
        assert first(player) == FILM[: 1 << 20]
        served.linked.outage = "503"
        served.door.calls.clear()
        played = pool.submit(player.communicate, b"\n", 90)
        # After ten errors without a byte rclone fails the player, unless each is many calls.
        await_true(lambda: played.done() or len(served.door.calls) > 15, 60)
        served.linked.link = Link()
        served.linked.outage = None
        rest, error = played.result()
        assert rest == FILM[1 << 20 :], error
        assert player.returncode == 0
        assert len(served.door.calls) > 15


@pytest.mark.heavy
def test_a_full_disk_under_the_cache_ends_no_reading(served: Bucket, mount: Mount) -> None:
    """A disk of 48 MiB that others have filled but for a little, and two films of 24."""
    other = FILM[::-1]
    served.put("Films/M.mkv", other)
    host = mount.host
    host.ok("mkdir", "-p", "/var/cache/rclone")
    host.ok("mount", "-t", "tmpfs", "-o", "size=48m", "small", "/var/cache/rclone")
    try:
        assert mount.start().returncode == 0
        assert (mount.path / _FILM).read_bytes() == FILM
        assert (mount.path / "Films/M.mkv").read_bytes() == other
        host.ok("systemctl", "stop", "media")  # which would make room meanwhile
        host.run("dd", "if=/dev/zero", "of=/var/cache/rclone/filled", "bs=1M")
        assert host.run("sh", "-c", "echo more >/var/cache/rclone/more").returncode != 0
        host.ok("systemctl", "start", "media")
        for name, content in ((_FILM, FILM), ("Films/M.mkv", other)):
            assert (mount.path / name).read_bytes() == content
    finally:
        host.ok("systemctl", "stop", "media")
        host.ok("umount", "/var/cache/rclone")


def test_a_file_that_is_replaced_is_never_a_mixture(started: Mount, served: Bucket) -> None:
    new = FILM[: 20 << 20][::-1]
    with reading(started, _FILM) as player:
        assert first(player) == FILM[: 1 << 20]
        served.put(_FILM, new)
        started.host.ok("media-refresh")
        rest, _ = player.communicate(b"\n", timeout=50)
        # The player has what it began with, since that version is still in the bucket: to its end, or as far
        # as the new one reaches, if the kernel has asked for the length in between.
        assert len(new) <= len(rest) + (1 << 20) <= len(FILM)
        assert FILM[1 << 20 :].startswith(rest)
        assert player.returncode == 0
    await_true(lambda: (started.path / _FILM).stat().st_size == len(new))
    assert (started.path / _FILM).read_bytes() == new


@pytest.mark.parametrize(("stored", "seen"), _NAMES.values(), ids=_NAMES)
def test_a_name_is_no_obstacle(started: Mount, served: Bucket, stored: str, seen: str) -> None:
    served.put(stored, stored.encode())
    started.host.ok("media-refresh")
    assert seen in started.files()
    assert (started.path / seen).read_bytes() == stored.encode()
    folder = seen.rpartition("/")[0]
    assert started.host.run("media-refresh", folder).returncode == 0


@pytest.mark.heavy
def test_a_folder_of_20000_files(started: Mount, served: Bucket) -> None:
    served.put_many(f"Many/{number:05}.flac" for number in range(20_000))
    served.door.calls.clear()
    said = started.host.ok("media-refresh", "Many")
    assert said.startswith("media-refresh: 20000 files and folders in Many, in ")
    pages = served.door.calls.count("b2_list_file_names")
    # With the look at the bucket's top, and above the folder, which is a new one.
    assert pages <= 20 + 4
    served.door.calls.clear()
    assert len(list((started.path / "Many").iterdir())) == 20_000
    assert (started.path / "Many/19999.flac").read_bytes() == b"."
    assert "b2_list_file_names" not in served.door.calls
