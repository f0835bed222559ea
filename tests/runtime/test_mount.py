"""The bucket at /mnt/media by the real rclone: media.service as the configuration has it, under real systemd.

rclone.conf has the stand-in's address as `endpoint`, and a unit that failed starts again after one second in
place of ten; nothing else is adapted.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import stack
from tests.runtime.lone_host import Host, host
from tests.runtime.media import (
    FILM,
    RCLONE_CONF,
    Bucket,
    Mount,
    await_true,
    configure,
    hand_over,
    served,
)


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("mount")) as running:
        running.ok("mkdir", "-m", "700", "-p", "/var/lib/secrets")
        configure(running)
        yield running


@pytest.fixture(scope="module")
def bucket(lone: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with served(lone, tmp_path_factory.mktemp("b2")) as bucket:
        yield bucket


@pytest.fixture
def mount(lone: Host, bucket: Bucket) -> Iterator[Mount]:
    """Not started yet, with the right key and an empty cache."""
    bucket.door.ranges.clear()
    hand_over(lone)
    made = Mount(lone)
    yield made
    bucket.door.open.set()
    made.take_down()
    assert made.mounted() == []


@pytest.fixture
def started(mount: Mount) -> Mount:
    done = mount.start()
    assert done.returncode == 0, mount.host.journal("media")
    return mount


@pytest.fixture
def old_rclone(lone: Host) -> Iterator[None]:
    """The mount by the miniature of NixOS 25.11, whose rclone is 1.72."""
    version = lone.root / "nixpkgs/.version"
    today, unit = version.read_text(), lone.ok("readlink", "/run/systemd/system/media.service")
    version.write_text("25.11")
    built = lone.build({"media": 'config.systemd.units."media.service".text'}, libraryBackup=False)
    version.write_text(today)
    lone.unit("media.service", built["media"])
    yield
    lone.unit("media.service", unit.strip())


@contextmanager
def held_open(on: Host, path: str) -> Iterator[subprocess.Popen[str]]:
    """A program on the host that has a file open."""
    script = 'exec 3<"$1"; echo open; read -r _; cat <&3'
    with subprocess.Popen(
        on.command("sh", "-c", script, "sh", path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process


def plex_lists(on: Host) -> list[str]:
    """What Plex sees of the films, as a visitor on the host asks it."""
    on.await_port("127.0.0.1", 32400)
    listing = on.ok("curl", "-fsS", "http://127.0.0.1:32400/library/all")
    return re.findall(r'file="([^"]+)"', listing)


def film(mount: Mount) -> Path:
    (found,) = mount.path.glob("Films/*/*.mkv")
    return found


def test_it_is_ready_only_when_it_is_mounted(mount: Mount, bucket: Bucket) -> None:
    bucket.door.open.clear()
    bucket.door.knocked.clear()
    mount.host.ok("systemctl", "start", "--no-block", "media.service")
    assert bucket.door.knocked.wait(30)
    assert mount.show("ActiveState") == "activating"
    assert mount.mounted() == []

    bucket.door.open.set()
    assert mount.start().returncode == 0
    assert mount.show("ActiveState") == "active"
    assert mount.mounted() == ["fuse.rclone"]


def test_others_than_root_see_the_same_bytes(started: Mount) -> None:
    as_plex = ["runuser", "-u", "plex", "--", "find", "/mnt/media", "-type", "f"]
    found = started.host.ok(*as_plex, "-exec", "sha256sum", "{}", "+")

    assert {line.split("  ")[1]: line.split("  ")[0] for line in found.splitlines()} == {
        "/mnt/media/Films/Nosferatu (1922)/Nosferatu – Symphonie.mkv": _sha256(FILM),
        "/mnt/media/Music/Ärger.flac": _sha256(b"short"),
    }


def test_an_rclone_without_a_flag_mounts_it_too(old_rclone: None, started: Mount) -> None:
    assert started.mounted() == ["fuse.rclone"]
    assert film(started).read_bytes() == FILM

    program = re.findall(r"path=(\S+/bin/rclone) ", started.show("ExecStart"))
    refused = started.host.run(*program, "mount", "b2:", "/mnt", "--vfs-handle-caching", "0s")
    assert (refused.returncode, refused.stderr) == (
        2,
        "Error: unknown flag: --vfs-handle-caching\n",
    )


def test_a_read_in_the_middle_fetches_from_there(started: Mount, bucket: Bucket) -> None:
    with film(started).open("rb", buffering=0) as file:
        for offset in (20 << 20, (7 << 20) + 11):
            assert os.pread(file.fileno(), 70_001, offset) == FILM[offset : offset + 70_001]

    first = re.fullmatch(r"bytes=(\d+)-\d*", bucket.door.ranges[0])
    assert first
    assert 0 < int(first[1]) <= 20 << 20


def test_what_was_read_once_is_read_from_the_disk(started: Mount, bucket: Bucket) -> None:
    assert film(started).read_bytes() == FILM
    # What is cached is written down once rclone has heard that the file is closed.
    cached = started.host.root / "var/cache/rclone/vfsMeta"
    whole = re.compile(rf'"Pos":\s*0,\s*"Size":\s*{len(FILM)}\b')
    await_true(lambda: any(whole.search(each.read_text()) for each in cached.rglob("*.mkv")))
    started.host.ok("systemctl", "restart", "media.service")
    bucket.door.ranges.clear()
    assert film(started).read_bytes() == FILM
    assert bucket.door.ranges == []


def test_plex_is_started_with_it_and_sees_the_films(started: Mount) -> None:
    assert plex_lists(started.host) == [
        "/mnt/media/Films/Nosferatu (1922)/Nosferatu – Symphonie.mkv",
        "/mnt/media/Music/Ärger.flac",
    ]


def test_nothing_is_written(started: Mount, bucket: Bucket) -> None:
    for attempt in (
        lambda: (started.path / "new.mkv").write_bytes(b"new"),
        lambda: film(started).write_bytes(b"other"),
        lambda: film(started).unlink(),
        lambda: (started.path / "folder").mkdir(),
    ):
        with pytest.raises(OSError, match="Read-only file system") as refused:
            attempt()
        assert refused.value.errno == errno.EROFS
    assert bucket.content("new.mkv") is None
    assert film(started).read_bytes() == FILM


@pytest.mark.heavy
def test_what_is_written_arrives_in_the_bucket_if_that_is_allowed(
    lone: Host, mount: Mount, bucket: Bucket
) -> None:
    configure(lone, mediaReadOnly=False)
    bucket.put("old.flac", b"old")
    try:
        assert mount.start().returncode == 0
        (mount.path / "new.flac").write_bytes(b"new")
        assert (mount.path / "new.flac").read_bytes() == b"new"
        for _ in range(300):
            if bucket.content("new.flac") == b"new":
                break
            threading.Event().wait(0.1)
        assert bucket.content("new.flac") == b"new"
        (mount.path / "old.flac").unlink()
        assert bucket.content("old.flac") is None
    finally:
        bucket.delete("new.flac")
        bucket.delete("old.flac")
        lone.ok("systemctl", "stop", "media.service")
        configure(lone)


def test_what_a_killed_rclone_leaves_is_healed(started: Mount) -> None:
    killed = started.show("MainPID")
    drop_in = "/run/systemd/system/media.service.d/test2.conf"
    held = "/bin/sh -c 'until [ -e /run/go-on ]; do /bin/sleep 0.1; done'"
    started.host.write(drop_in, f"[Service]\nExecCondition=+{held}\n")
    started.host.ok("systemctl", "daemon-reload")
    try:
        started.host.ok("kill", "-KILL", killed)
        started.await_that("SubState", "condition")
        with pytest.raises(OSError, match="not connected") as stale:
            list(started.path.iterdir())
        assert stale.value.errno == errno.ENOTCONN
    finally:
        started.host.ok("touch", "/run/go-on")
        started.host.ok("rm", drop_in)
        started.host.ok("systemctl", "daemon-reload")

    started.await_that("ActiveState", "active")
    assert started.mounted() == ["fuse.rclone"]
    assert started.show("MainPID") != killed
    assert film(started).read_bytes() == FILM
    assert len(plex_lists(started.host)) == 2


def test_a_stop_leaves_nothing_even_with_a_file_open(started: Mount) -> None:
    name = "/mnt/media/Films/Nosferatu (1922)/Nosferatu – Symphonie.mkv"
    with held_open(started.host, name) as reader:
        started.host.ok("systemctl", "stop", "media.service")

        assert "files that are open there: 1, by sh (1)\n" in started.host.journal("media")
        assert started.show("ActiveState") == "inactive"
        assert started.show("Result") == "success"
        assert started.mounted() == []
        assert list(started.path.iterdir()) == []
        assert started.host.run("pgrep", "rclone").stdout == ""

        # While somebody still hangs on the old one.
        assert started.start().returncode == 0
        assert started.mounted() == ["fuse.rclone"]
        assert film(started).read_bytes() == FILM
        reader.kill()


def test_a_stop_waits_for_nothing_longer_than_configured(started: Mount) -> None:
    started.host.ok("kill", "-STOP", started.show("MainPID"))
    begun = time.monotonic()

    started.host.ok("systemctl", "stop", "media.service")

    assert time.monotonic() - begun < 50
    assert started.show("TimeoutStopUSec") == "20s"
    assert started.mounted() == []


def test_a_wrong_key_is_told_at_the_start(mount: Mount) -> None:
    wrong = "K005" + "x" * 27
    hand_over(mount.host, b2ApplicationKey=wrong)
    assert mount.start().returncode == 1
    assert "(401 unauthorized)" in mount.host.journal("media")
    assert mount.mounted() == []
    assert mount.host.run("systemctl", "is-active", "--quiet", "plex").returncode != 0
    assert wrong not in mount.host.journal("media")

    hand_over(mount.host)
    mount.await_that("ActiveState", "active")
    assert film(mount).stat().st_size == len(FILM)
    assert len(plex_lists(mount.host)) == 2


def test_a_bucket_that_the_key_is_not_for_is_no_empty_library(lone: Host, mount: Mount) -> None:
    configure(lone, b2Bucket="other-films")
    try:
        assert mount.start().returncode == 1
        assert mount.mounted() == []
    finally:
        configure(lone)


def test_the_key_is_on_no_command_line_and_in_no_log(started: Mount) -> None:
    settings = stack.settings_of()
    secret = settings.b2_application_key.get_secret_value()
    pid = started.show("MainPID")
    assert secret not in (started.host.root / f"proc/{pid}/cmdline").read_text()
    assert secret not in (started.host.root / f"proc/{pid}/environ").read_text()
    assert secret not in started.host.journal("media")
    assert started.host.run("runuser", "-u", "plex", "cat", RCLONE_CONF).returncode != 0


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_rclone_is_nobody_else_and_has_its_own_secret_alone(started: Mount) -> None:
    pid = started.show("MainPID")
    status = dict(
        line.split(":\t", 1)
        for line in started.host.ok("cat", f"/proc/{pid}/status").splitlines()
        if ":\t" in line
    )
    rclone = started.host.ok("id", "-u", "rclone").strip()
    assert rclone != "0"
    assert status["Uid"].split() == [rclone] * 4
    assert int(status["CapPrm"], 16) == int(status["CapAmb"], 16) == 0
    others = started.host.run("runuser", "-u", "rclone", "--", "ls", "/var/lib/secrets")
    assert "Permission denied" in others.stderr
