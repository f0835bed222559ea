"""media.service on a host, with the B2 stand-in behind it."""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import anyio.to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from components.storage import rclone_conf
from sandbox.b2.app import create_app
from sandbox.b2.calls import Service
from sandbox.b2.caps import Capped
from sandbox.b2.errors import B2Error
from sandbox.b2.keys import Key
from sandbox.b2.link import Linked
from tests import stack
from tests.runtime.lone_host import Host, host

PORT = 8080
RCLONE_CONF = "/var/lib/secrets/rclone.conf"
UNITS = (
    "media.service",
    "plex.service",
    "media-refresh.service",
    "media-refresh.timer",
    "media-watch.service",
    "media-watch.timer",
)
FILM = random.Random(1).randbytes(24 << 20)  # noqa: S311 - any bytes
_CAPABILITIES = ("listBuckets", "listFiles", "readFiles", "writeFiles", "deleteFiles")


class Door:
    """In front of the stand-in: may be shut for a while, and remembers what was asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.calls: list[str] = []
        self.ranges: list[str] = []
        self.refuse = 0  # the status that every call is answered with, if it is not zero
        self.storm = 0  # the same for two calls of three
        self.refused = 0
        self.knocked = threading.Event()
        self.open = threading.Event()
        self.open.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls.append(scope["path"].rpartition("/")[2])
        headers = dict(scope.get("headers", ()))
        if b"range" in headers:
            self.ranges.append(headers[b"range"].decode())
        self.knocked.set()
        await anyio.to_thread.run_sync(self.open.wait)
        status = self.refuse or (self.storm if len(self.calls) % 3 else 0)
        if status:
            self.refused += 1
            await B2Error(status, "busy", "not now").response()(scope, receive, send)
            return
        await self._app(scope, receive, send)


class Bucket:
    """The stand-in with one bucket and two films."""

    name = stack.settings_of().b2_bucket

    def __init__(self, directory: Path) -> None:
        app = create_app(directory)
        self.capped = Capped(app)
        self.linked = Linked(self.capped)
        self.door = Door(self.linked)
        service: Service = app.state.service
        settings = stack.settings_of()
        self._store, self._keys = service.store, service.keys
        self._id = self._store.create_bucket(self.name, "allPrivate").id
        secret = settings.b2_application_key.get_secret_value()
        self._key = Key(settings.b2_key_id, secret, "a test's", _CAPABILITIES, self._id)
        self.give_key()
        self.fill()

    def fill(self) -> None:
        """Put the two films there, each as a new version."""
        self.put("Films/Nosferatu (1922)/Nosferatu – Symphonie.mkv", FILM)
        self.put("Music/Ärger.flac", b"short")

    def empty(self) -> None:
        for name in list(self._store.names_from(self._id, "")):
            self.delete(name)

    def give_key(self) -> None:
        """Let the key be one, as it is at first."""
        self._keys.put(self._key)

    def revoke_key(self) -> None:
        """It is good for nothing from now on, as are the tokens that were given for it."""
        self._keys.delete(self._key.id)

    def take_away(self) -> None:
        self.empty()
        self._store.delete_bucket(self._id)

    def make_anew(self) -> None:
        """One of the same name, and the same key for it."""
        self._id = self._store.create_bucket(self.name, "allPrivate").id
        self._key = replace(self._key, bucket_id=self._id)
        self.give_key()
        self.fill()

    def with_key_for_all(self) -> str:
        """rclone.conf with a key that is for all buckets."""
        given = {"b2KeyId": "0005a1b2c3d4e5f0000000008", "b2ApplicationKey": "K005" + 27 * "y"}
        self._keys.put(Key(given["b2KeyId"], given["b2ApplicationKey"], "all", _CAPABILITIES, None))
        return remote(**given)

    def another(self, name: str) -> str:
        """Make another bucket with a key of its own; rclone.conf with that key."""
        given = {"b2KeyId": "0005a1b2c3d4e5f0000000009", "b2ApplicationKey": "K005" + 27 * "z"}
        made = self._store.create_bucket(name, "allPrivate")
        secret = given["b2ApplicationKey"]
        self._keys.put(Key(given["b2KeyId"], secret, name, _CAPABILITIES, made.id))
        return remote(**given)

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

    def put_many(self, names: Iterable[str]) -> None:
        """Files of one byte each."""
        for name in names:
            self.put(name, b".")

    def delete(self, name: str) -> None:
        for version in self._store.versions(self._id, name):
            self._store.delete(version.id, name)

    def content(self, name: str) -> bytes | None:
        version = self._store.current(self._id, name)
        return self._store.content(version).read_bytes() if version else None


def await_true(what: Callable[[], object], seconds: float = 120) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        threading.Event().wait(0.05)


class Mount:
    """media.service on a host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.path = host.root / "mnt/media"

    def await_listing(self, entries: int) -> None:
        """Wait until it has listed so many files and folders by itself, which it begins at its start."""
        stats = ("rclone", "rc", "--unix-socket", "/run/media/rclone.sock", "vfs/stats")
        await_true(lambda: json.loads(self.host.ok(*stats))["metadataCache"]["files"] == entries)

    def start(self) -> subprocess.CompletedProcess[str]:
        return self.host.run("systemctl", "start", "media.service")

    def show(self, name: str) -> str:
        return self.host.ok("systemctl", "show", "-P", name, "media.service").strip()

    def mounted(self) -> list[str]:
        """What lies at /mnt/media: the types of the file systems, one over the other."""
        mounts = (self.host.root / "proc/1/mounts").read_text().splitlines()
        return [line.split()[2] for line in mounts if line.split()[1] == "/mnt/media"]

    def files(self) -> set[str]:
        """All that is seen there, by paths below it."""
        return {str(at.relative_to(self.path)) for at in self.path.rglob("*") if at.is_file()}

    def take_down(self) -> None:
        """Stop it, and take away what it has kept."""
        self.host.ok("systemctl", "stop", "media")
        # One that gave up at this very moment has failed, and cleaning takes one that has not. (This fails if
        # the unit is not in memory any more.)
        self.host.run("systemctl", "reset-failed", "media")
        self.host.ok("systemctl", "clean", "--what=cache", "--what=state", "media.service")

    def await_that(self, name: str, *values: str) -> None:
        """Wait until the unit is as it should be."""
        deadline = time.monotonic() + 60
        while (shown := self.show(name)) not in values:
            assert time.monotonic() < deadline, f"{name} is {shown}\n{self.host.journal('media')}"
            threading.Event().wait(0.05)


def configure(on: Host, **overrides: object) -> None:
    """Let the host have the units and commands around the mount of the configuration with these values."""
    texts = {unit.replace(".", "-"): f'config.systemd.units."{unit}".text' for unit in UNITS}
    # Plex does not wait for its library here.
    texts["fuse"] = 'config.environment.etc."fuse.conf".text'
    built = on.build(texts, libraryBackup=False, **overrides)
    on.write("/etc/fuse.conf", on.ok("cat", built.pop("fuse")))
    on.ok("mkdir", "-p", "-m", "700", "/run/host-locks")  # as converge.nix has it
    # As NixOS has it, where no program in the store can start as root.
    on.ok("mkdir", "-p", "/run/wrappers/bin")
    on.ok("ln", "-sfn", "/usr/bin/fusermount3", "/run/wrappers/bin/fusermount3")
    for unit, path in zip(UNITS, built.values(), strict=True):
        on.unit(unit, path)
    sooner = "[Service]\nRestartSec=1\n"
    on.write("/run/systemd/system/media.service.d/test.conf", sooner)
    on.ok("systemctl", "daemon-reload")
    (command,) = re.findall(r"^ExecStart=(\S+)", on.ok("systemctl", "cat", "media-refresh"), re.M)
    on.ok("ln", "-sfn", command, "/usr/local/bin/media-refresh")


def remote(**overrides: object) -> str:
    """rclone.conf as `pulumi up` makes it, with the stand-in's address."""
    return f"{rclone_conf(stack.settings_of(**overrides))}endpoint = http://127.0.0.1:{PORT}\n"


def hand_over(on: Host, **overrides: object) -> None:
    """The secrets as the installation leaves them."""
    on.write(RCLONE_CONF, remote(**overrides), 0o600)


@contextmanager
def media_host(directory: Path) -> Iterator[Host]:
    """Boot a host with the units and the secrets of the mount, which is not started.

    Args:
        directory: as for `lone_host.host`.
    """
    with host(directory) as running:
        running.ok("mkdir", "-m", "700", "-p", "/var/lib/secrets")
        configure(running)
        hand_over(running)
        yield running


@contextmanager
def served(on: Host, directory: Path) -> Iterator[Bucket]:
    """A new bucket, which a host reaches for a while.

    Args:
        on: the host.
        directory: an empty one, for what the bucket holds.
    """
    made = Bucket(directory)
    with on.serving(made.door, PORT):
        yield made
