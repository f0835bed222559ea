"""Caps of the account at Backblaze that are reached: what the mount, and who looks at it, makes of that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.b2.caps import Cap
from tests.runtime.lone_host import REPO, Host
from tests.runtime.media import FILM, Bucket, Mount, await_true, media_host, served

_FILM = "Films/Nosferatu (1922)/Nosferatu – Symphonie.mkv"
_RAISE = "Raise it on its page Caps & Alerts; the counts begin anew at 0:00 UTC"


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with media_host(tmp_path_factory.mktemp("caps")) as running:
        running.write("/root/caps.sh", (REPO / "nix/host/caps.sh").read_text())
        yield running


@pytest.fixture
def bucket(lone: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with served(lone, tmp_path_factory.mktemp("b2")) as bucket:
        yield bucket


@pytest.fixture
def mount(lone: Host, bucket: Bucket) -> Iterator[Mount]:
    """Not started yet."""
    del bucket
    lone.ok("journalctl", "--rotate")
    lone.ok("journalctl", "--vacuum-time=1us")
    made = Mount(lone)
    yield made
    made.take_down()


def told(mount: Mount) -> str:
    """What the host's health, `drift` and word to its owner have of it."""
    mount.host.ok("journalctl", "--sync")
    return mount.host.ok("sh", "/root/caps.sh")


@pytest.mark.parametrize("cap", ["download", "B"])
def test_a_cap_on_downloads_ends_reading_and_nothing_else(
    mount: Mount, bucket: Bucket, cap: Cap
) -> None:
    assert mount.start().returncode == 0
    mount.host.ok("media-refresh")
    before = mount.show("MainPID")
    assert told(mount) == ""

    bucket.capped.reached = frozenset({cap})
    with pytest.raises(OSError, match="Input/output error"):
        (mount.path / _FILM).read_bytes()

    assert mount.files() == {_FILM, "Music/Ärger.flac"}
    mount.host.ok("media-refresh")
    mount.host.ok("systemctl", "start", "media-watch")
    assert (mount.show("MainPID"), mount.show("NRestarts")) == (before, "0")
    assert told(mount) == (
        "Backblaze refuses what goes beyond a cap of your account (download_cap_exceeded)."
        f" {_RAISE}\n"
    )

    bucket.capped.reached = frozenset()
    assert (mount.path / _FILM).read_bytes() == FILM


def test_a_cap_on_listings_leaves_what_is_known(mount: Mount, bucket: Bucket) -> None:
    assert mount.start().returncode == 0
    mount.host.ok("media-refresh")
    before = mount.show("MainPID")

    bucket.capped.reached = frozenset({"C"})
    refreshed = mount.host.run("media-refresh")

    assert refreshed.returncode == 75
    assert (
        "cannot be listed, since a cap of your account at Backblaze is reached" in refreshed.stdout
    )
    assert f"(403 transaction_cap_exceeded). {_RAISE}" in refreshed.stdout
    assert "key" not in refreshed.stdout
    mount.host.ok("systemctl", "start", "media-refresh", "media-watch")
    assert mount.files() == {_FILM, "Music/Ärger.flac"}
    assert (mount.path / _FILM).read_bytes() == FILM
    assert (mount.show("MainPID"), mount.show("NRestarts")) == (before, "0")
    assert "(transaction_cap_exceeded)" in told(mount)


def test_a_mount_that_starts_under_a_cap_waits_for_it(mount: Mount, bucket: Bucket) -> None:
    bucket.capped.reached = frozenset({"C"})
    assert mount.start().returncode == 1
    assert mount.mounted() == []
    assert "(403 transaction_cap_exceeded)" in mount.host.journal("media")
    assert "with its key" not in mount.host.journal("media")
    assert "(transaction_cap_exceeded)" in told(mount)

    bucket.capped.reached = frozenset()
    mount.await_that("ActiveState", "active")
    await_true(lambda: mount.files() == {_FILM, "Music/Ärger.flac"})


def test_a_film_that_is_called_like_it_is_none(mount: Mount, bucket: Bucket) -> None:
    names = ("download_cap_exceeded.mkv", "Brand (403 download_cap_exceeded).mkv")
    for name in names:
        bucket.put(f"Films/{name}", b"short")
    assert mount.start().returncode == 0
    mount.host.ok("media-refresh")
    for name in names:
        assert (mount.path / "Films" / name).read_bytes() == b"short"
    # rclone names a file that it cannot read.
    said = "ERROR : Films/Brand (403 download_cap_exceeded).mkv: vfs cache: unexpected EOF"
    mount.host.ok("systemd-run", "--wait", "--quiet", "--unit=plex-library-said", "echo", said)
    assert told(mount) == ""
