"""The bucket at /mnt/media: media.service as the configuration has it, under real systemd, by the real rclone.

rclone.conf has the stand-in's address as `endpoint`; nothing else is adapted.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio.to_thread
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from components.storage import rclone_conf
from sandbox.b2.app import create_app
from sandbox.b2.calls import Service
from sandbox.b2.keys import Key
from tests import stack
from tests.runtime.lone_host import Host, host, skip_reason

pytestmark = pytest.mark.skipif(skip_reason() is not None, reason=skip_reason() or "")

_PORT = 8080
_RCLONE_CONF = "/var/lib/secrets/rclone.conf"
_FILM = random.Random(1).randbytes(24 << 20)  # noqa: S311 - any bytes
_CAPABILITIES = ("listBuckets", "listFiles", "readFiles", "writeFiles", "deleteFiles")


class Door:
    """In front of the stand-in: may be shut for a while, and remembers the ranges that were asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.ranges: list[str] = []
        self.knocked = threading.Event()
        self.open = threading.Event()
        self.open.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        if b"range" in headers:
            self.ranges.append(headers[b"range"].decode())
        self.knocked.set()
        await anyio.to_thread.run_sync(self.open.wait)
        await self._app(scope, receive, send)


class Bucket:
    """The stand-in with one bucket and two films."""

    def __init__(self, directory: Path) -> None:
        app = create_app(directory)
        self.door = Door(app)
        service: Service = app.state.service
        settings = stack.settings_of()
        self._store = service.store
        self._id = self._store.create_bucket(settings.b2_bucket, "allPrivate").id
        secret = settings.b2_application_key.get_secret_value()
        service.keys.put(Key(settings.b2_key_id, secret, "a test's", _CAPABILITIES, self._id))
        self.put("Films/Nosferatu (1922)/Nosferatu – Symphonie.mkv", _FILM)
        self.put("Music/Ärger.flac", b"short")

    def put(self, name: str, content: bytes) -> None:
        arrived = self._store.incoming(self._id)
        arrived.write_bytes(content)
        self._store.upload(
            self._id,
            name,
            arrived,
            size=len(content),
            sha1=hashlib.sha1(content).hexdigest(),  # noqa: S324 - B2's
            content_type="application/octet-stream",
            info={},
        )

    def content(self, name: str) -> bytes | None:
        version = self._store.current(self._id, name)
        return self._store.content(version).read_bytes() if version else None


class Mount:
    """media.service on a host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.path = host.root / "mnt/media"

    def start(self) -> subprocess.CompletedProcess[str]:
        return self.host.run("systemctl", "start", "media.service")

    def show(self, name: str) -> str:
        return self.host.ok("systemctl", "show", "-P", name, "media.service").strip()

    def mounted(self) -> list[str]:
        """What lies at /mnt/media: the types of the file systems, one over the other."""
        mounts = (self.host.root / "proc/1/mounts").read_text().splitlines()
        return [line.split()[2] for line in mounts if line.split()[1] == "/mnt/media"]

    def await_that(self, name: str, *values: str) -> None:
        """Wait until the unit is as it should be."""
        for _ in range(300):
            if self.show(name) in values:
                return
            threading.Event().wait(0.05)
        pytest.fail(f"{name} is {self.show(name)}\n{self.host.journal('media')}")


def configure(on: Host, **overrides: object) -> None:
    """Let systemd have media.service of the configuration with these values."""
    built = on.build({"media": 'config.systemd.units."media.service".text'}, **overrides)
    on.unit("media.service", built["media"])


def hand_over(on: Host, **overrides: object) -> None:
    """The secrets as `pulumi up` makes them."""
    conf = rclone_conf(stack.settings_of(**overrides))
    on.write(_RCLONE_CONF, f"{conf}endpoint = http://127.0.0.1:{_PORT}\n", 0o600)


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("mount")) as running:
        running.ok("mkdir", "-m", "700", "-p", "/var/lib/secrets")
        configure(running)
        yield running


@pytest.fixture(scope="module")
def bucket(lone: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    made = Bucket(tmp_path_factory.mktemp("b2"))
    with lone.serving(made.door, _PORT):
        yield made


@pytest.fixture
def mount(lone: Host, bucket: Bucket) -> Iterator[Mount]:
    """Not started yet, with the right key and an empty cache."""
    bucket.door.ranges.clear()
    hand_over(lone)
    yield Mount(lone)
    bucket.door.open.set()
    lone.ok("systemctl", "stop", "media.service")
    lone.ok("systemctl", "clean", "--what=cache", "media.service")
    assert Mount(lone).mounted() == []


@pytest.fixture
def started(mount: Mount) -> Mount:
    done = mount.start()
    assert done.returncode == 0, mount.host.journal("media")
    return mount


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
        "/mnt/media/Films/Nosferatu (1922)/Nosferatu – Symphonie.mkv": _sha256(_FILM),
        "/mnt/media/Music/Ärger.flac": _sha256(b"short"),
    }


def test_a_read_in_the_middle_fetches_from_there(started: Mount, bucket: Bucket) -> None:
    with film(started).open("rb", buffering=0) as file:
        for offset in (20 << 20, (7 << 20) + 11):
            assert os.pread(file.fileno(), 70_001, offset) == _FILM[offset : offset + 70_001]

    first = re.fullmatch(r"bytes=(\d+)-\d*", bucket.door.ranges[0])
    assert first
    assert 0 < int(first[1]) <= 20 << 20


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
    assert film(started).read_bytes() == _FILM


def test_what_is_written_arrives_in_the_bucket_if_that_is_allowed(
    lone: Host, mount: Mount, bucket: Bucket
) -> None:
    configure(lone, mediaReadOnly=False)
    try:
        assert mount.start().returncode == 0
        (mount.path / "new.flac").write_bytes(b"new")
        assert (mount.path / "new.flac").read_bytes() == b"new"
        for _ in range(300):
            if bucket.content("new.flac") == b"new":
                break
            threading.Event().wait(0.1)
        assert bucket.content("new.flac") == b"new"
        (mount.path / "new.flac").unlink()
        assert bucket.content("new.flac") is None
    finally:
        lone.ok("systemctl", "stop", "media.service")
        configure(lone)


def test_what_a_killed_rclone_leaves_is_healed_by_the_next_start(started: Mount) -> None:
    killed = started.show("MainPID")
    started.host.ok("kill", "-KILL", killed)
    started.await_that("SubState", "auto-restart")
    with pytest.raises(OSError, match="not connected") as stale:
        list(started.path.iterdir())
    assert stale.value.errno == errno.ENOTCONN

    # It would start by itself, in ten seconds.
    assert started.start().returncode == 0, started.host.journal("media")
    assert started.mounted() == ["fuse.rclone"]
    assert started.show("MainPID") != killed
    assert film(started).read_bytes() == _FILM


def test_a_stop_leaves_nothing_even_with_a_file_open(started: Mount) -> None:
    name = "/mnt/media/Films/Nosferatu (1922)/Nosferatu – Symphonie.mkv"
    with held_open(started.host, name) as reader:
        started.host.ok("systemctl", "stop", "media.service")

        assert started.show("ActiveState") == "inactive"
        assert started.show("Result") == "success"
        assert started.mounted() == []
        assert list(started.path.iterdir()) == []
        assert started.host.run("pgrep", "rclone").stdout == ""

        # While somebody still hangs on the old one.
        assert started.start().returncode == 0
        assert started.mounted() == ["fuse.rclone"]
        assert film(started).read_bytes() == _FILM
        reader.kill()


def test_a_wrong_key_is_told_at_the_start(mount: Mount) -> None:
    wrong = "K005" + "x" * 27
    hand_over(mount.host, b2ApplicationKey=wrong)
    assert mount.start().returncode == 1
    assert mount.show("ActiveState") == "activating"  # it tries again in ten seconds
    assert mount.show("SubState") == "auto-restart"
    assert int(mount.show("ExecMainStatus")) != 0
    assert mount.mounted() == []
    assert wrong not in mount.host.journal("media")

    hand_over(mount.host)
    assert mount.start().returncode == 0
    assert film(mount).stat().st_size == len(_FILM)


def test_the_key_is_on_no_command_line_and_in_no_log(started: Mount) -> None:
    settings = stack.settings_of()
    secret = settings.b2_application_key.get_secret_value()
    pid = started.show("MainPID")
    assert secret not in (started.host.root / f"proc/{pid}/cmdline").read_text()
    assert secret not in (started.host.root / f"proc/{pid}/environ").read_text()
    assert secret not in started.host.journal("media")
    assert started.host.run("runuser", "-u", "plex", "cat", _RCLONE_CONF).returncode != 0


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
