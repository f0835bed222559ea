"""Plex's library and its backups on a host, with the B2 stand-in behind them."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

import anyio.to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from components.storage import backup_conf
from sandbox.b2.app import create_app
from sandbox.b2.calls import Service
from sandbox.b2.caps import Capped
from sandbox.b2.keys import Key
from sandbox.b2.pods import Pods
from sandbox.b2.store import Store
from sandbox.nixpkgs.tarball import RELEASE
from tests import stack
from tests.runtime.lone_host import Host

PORT = 8080
PASSWORD = "dGhlIHBhc3N3b3JkIG9mIHRoZSBiYWNrdXBzIGhlcmU="
HOME = "/var/lib/plex/Plex Media Server"
DATABASES = f"{HOME}/Plug-in Support/Databases"
DATABASE = f"{DATABASES}/com.plexapp.plugins.library.db"
STATE = "/var/lib/library"
NIXPKGS = f"nixos-{RELEASE}.5.0123456789ab"
PLEX = f"1.42.{RELEASE}.5.0123456789ab"  # of that
UNITS = ("", "-backup", "-check", "-restore", "-certificates")
NOWHERE = 9  # a port on which nobody listens
START_EMPTY = "`sudo plex-library start-empty` begins a new one on purpose"
READ_ONLY = ("listBuckets", "listFiles", "readFiles")
_CAPABILITIES = (*READ_ONLY, "writeFiles", "deleteFiles")

# Plex needs the mount; here there is none.
_MEDIA = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
# What takes minutes on a host takes seconds here.
_SOONER = {
    "plex-library.service": "[Service]\nRestartSec=1\n",
    "plex-library-backup.service": "[Service]\nEnvironment=LOCK_WAIT=1s\n",
    "plex-library-check.service": "[Service]\nEnvironment=LOCK_WAIT=1s\n",
}


class Door:
    """In front of the stand-in: counts who comes by, and holds back what a test wants to see waiting."""

    def __init__(self, app: ASGIApp, store: Store) -> None:
        self._app = app
        self._store = store
        self._held: tuple[str, str] | None = None
        self._go_on = threading.Event()
        self.waiting = threading.Event()
        self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += 1
        if self._held is not None:
            verb, part = self._held
            its_verb, name = self._what(scope)
            if verb == its_verb and part in name:
                self.waiting.set()
                await anyio.to_thread.run_sync(self._go_on.wait)
        await self._app(scope, receive, send)

    def _what(self, scope: Scope) -> tuple[str, str]:
        """`upload` or `download` with the file's name, or `call`."""
        path: str = scope["path"]
        if "/b2_upload_file/" in path:
            return "upload", unquote(dict(scope["headers"])[b"x-bz-file-name"].decode())
        if path.endswith("/b2_download_file_by_id"):
            (file_id,) = parse_qs(scope["query_string"].decode())["fileId"]
            return "download", self._store.version(file_id).name
        return "download" if path.startswith("/file/") else "call", path

    @contextmanager
    def holding(self, verb: str, part: str) -> Iterator[None]:
        """Uploads or downloads of files with that in their names wait until the end."""
        self._go_on.clear()
        self.waiting.clear()
        self._held = verb, part
        try:
            yield
        finally:
            self._held = None
            self._go_on.set()


class Bucket:
    """The stand-in with the bucket of the backups, and a key for it."""

    def __init__(self, directory: Path) -> None:
        app = create_app(directory)
        service: Service = app.state.service
        self._keys, self._store = service.keys, service.store
        self.pods = Pods(app)
        self.capped = Capped(self.pods)
        self.door = Door(self.capped, service.store)
        self._settings = stack.settings_of()
        self._id = self._store.create_bucket(self._settings.library_bucket, "allPrivate").id
        self.allow_all()

    def allow_all(self) -> None:
        """As a key that may read and write."""
        self.allow(*_CAPABILITIES)

    def allow(self, *capabilities: str) -> None:
        """What the key may do from now on."""
        secret = self._settings.backup_application_key.get_secret_value()
        key = Key(self._settings.backup_key_id, secret, "a test's", capabilities, self._id)
        self._keys.put(key)

    def names(self) -> list[str]:
        """What lies in the bucket, by name."""
        return list(self._store.names_from(self._id, ""))

    def total(self) -> int:
        """How much lies in the bucket."""
        return sum(
            version.size
            for name in self.names()
            for version in self._store.versions(self._id, name)
        )

    def largest(self) -> str:
        """The name of the largest file: it has the content of a poster."""
        sizes = {
            name: version.size
            for name in self.names()
            for version in self._store.versions(self._id, name)
        }
        return max(sizes, key=sizes.__getitem__)

    def delete(self, keep: Callable[[str], bool] = lambda _name: False) -> None:
        """Take away every file but those to keep."""
        for name in self.names():
            if not keep(name):
                for version in self._store.versions(self._id, name):
                    self._store.delete(version.id, name)

    def put(self, name: str, content: bytes) -> None:
        """A file of somebody else's."""
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

    def damage(self, part: str) -> None:
        """Change a byte in the middle of every file with that in its name."""
        for name in self.names():
            version = self._store.current(self._id, name)
            if version is not None and part in name:
                path = self._store.content(version)
                content = bytearray(path.read_bytes())
                content[len(content) // 2] ^= 1
                path.write_bytes(content)


class Library:
    """A server with Plex, its library and its backups."""

    def __init__(self, host: Host, bucket: Bucket) -> None:
        self.host = host
        self.bucket = bucket

    def run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """`plex-library` as an administrator runs it."""
        return self.host.run("plex-library", *words, stdin=stdin)

    def ok(self, *words: str, stdin: str | None = None) -> str:
        """What it prints where it has to succeed."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def restic(self, *words: str) -> str:
        """What restic itself says on the host."""
        environment = [
            "RCLONE_CONFIG=/var/lib/secrets/backup.conf",
            f"RESTIC_REPOSITORY=rclone:backup:{stack.settings_of().library_bucket}/prod",
            "RESTIC_PASSWORD_FILE=/var/lib/secrets/backup.password",
            "RESTIC_CACHE_DIR=/var/cache/library",
            "TZ=UTC",
        ]
        return self.host.ok("env", *environment, "restic", *words)

    def snapshots(self) -> list[str]:
        """The backups' IDs, the newest last."""
        return [each["short_id"] for each in json.loads(self.restic("snapshots", "--json"))]

    def backup(self) -> str:
        """Make a backup; its ID."""
        self.ok("backup")
        return str(self.last()["snapshot"])

    def last(self) -> dict[str, object]:
        """What is written down of the last backup."""
        found = json.loads(self.read(f"{STATE}/last.json"))
        assert isinstance(found, dict)
        return found

    def read(self, path: str) -> str:
        return (self.host.root / path.lstrip("/")).read_text()

    def exists(self, path: str) -> bool:
        return (self.host.root / path.lstrip("/")).exists()

    def sql(self, statement: str, database: str = DATABASE) -> str:
        """What SQLite answers, asked as Plex."""
        return self.host.ok("runuser", "-u", "plex", "--", "sqlite3", database, statement).strip()

    def fill(self) -> None:
        """Give Plex a library with something in it: posters, a database, and what is no library."""
        script = f"""
        set -eu
        mkdir -p '{DATABASES}' '{HOME}/Metadata/Movies' '{HOME}/Cache' '{HOME}/Logs' '{HOME}/Crash Reports'
        head -c 3000000 /dev/urandom >'{HOME}/Metadata/Movies/poster.jpg'
        head -c 5000000 /dev/urandom >'{HOME}/Cache/frames'
        echo log >'{HOME}/Logs/Plex Media Server.log'
        echo old >'{DATABASE}-2026-11-20'
        sqlite3 '{DATABASE}' 'PRAGMA journal_mode = wal; CREATE TABLE views (film INTEGER, who TEXT)'
        chown -R plex:plex /var/lib/plex
        """
        self.host.ok("sh", "-c", script)

    def watch(self, film: int) -> None:
        self.sql(f"INSERT INTO views VALUES ({film}, 'alice')")  # noqa: S608 - a number

    def watched(self) -> str:
        """The films that somebody has seen, by their numbers."""
        return self.sql(
            "SELECT group_concat(film, ' ') FROM (SELECT film FROM views ORDER BY film)"
        )

    def identifier(self) -> str:
        """What Plex calls itself."""
        self.host.await_port("127.0.0.1", 32400)
        answer = self.host.ok("curl", "-fsS", "http://127.0.0.1:32400/identity")
        return ElementTree.fromstring(answer).attrib["machineIdentifier"]

    def said(self, unit: str = "plex-library") -> str:
        """The last that a unit has said itself."""
        self.host.ok("journalctl", "--sync")
        lines = self.host.ok(
            *("journalctl", "-o", "cat", "--no-pager", "-t", "plex-library"),
            *("-u", f"{unit}.service", "-n", "1"),
        )
        return lines.strip()

    def start_plex(self) -> bool:
        """Start Plex as a boot does; whether it runs then."""
        self.host.run("systemctl", "start", "plex.service")
        return self.plex_runs()

    def plex_runs(self) -> bool:
        return self.host.run("systemctl", "is-active", "--quiet", "plex").returncode == 0

    def state(self, unit: str = "plex-library") -> tuple[str, str]:
        """ActiveState and SubState."""
        shown = self.host.ok("systemctl", "show", "-P", "ActiveState", "-P", "SubState", unit)
        active, sub = shown.split()
        return active, sub

    def restarts(self, unit: str = "plex-library") -> int:
        """How often systemd has started it again by itself."""
        return int(self.host.ok("systemctl", "show", "-P", "NRestarts", unit))

    def await_state(self, active: str, unit: str = "plex-library") -> None:
        deadline = time.monotonic() + 60
        while self.state(unit)[0] != active:
            said = f"{unit} is {self.state(unit)}\n{self.host.journal(unit)}"
            assert time.monotonic() < deadline, said
            threading.Event().wait(0.05)

    def await_that(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not what():
            assert time.monotonic() < deadline, self.host.journal("plex-library*")
            threading.Event().wait(0.05)

    def new_server(self) -> None:
        """Another server in the place of this one: the secrets are there, and nothing else."""
        self.end()
        wiped = "/var/lib/plex /var/lib/.restor* /var/lib/library /var/lib/acme /var/cache/library"
        self.host.ok("sh", "-c", f"rm -rf {wiped}")

    def end(self) -> None:
        units = [f"plex-library{each}.service" for each in UNITS]
        self.host.ok("systemctl", "stop", "plex.service", "acme-setup.service", *units)
        self.host.run("systemctl", "reset-failed")


def configure(on: Host, suffix: str = ".5.0123456789ab", **overrides: object) -> None:
    """Let systemd have the units of the configuration with these values, on a nixpkgs of that number."""
    on.write("/nixpkgs/.version-suffix", suffix)
    units = ("plex", "acme-setup", *(f"plex-library{each}" for each in UNITS))
    texts = {name: f'config.systemd.units."{name}.service".text' for name in units}
    built = on.build(texts, **overrides)
    for name, path in built.items():
        on.unit(f"{name}.service", path)
    text = (on.root / built["plex-library"].lstrip("/")).read_text()
    found = re.search(r"^ExecStart=(\S+/bin/plex-library) ", text, re.MULTILINE)
    assert found
    on.ok("ln", "-sfn", found[1], "/usr/local/bin/plex-library")
    on.write("/run/systemd/system/media.service", _MEDIA)
    wanted = "/run/systemd/system/acme-setup.service.wants"
    on.ok("mkdir", "-p", wanted)
    on.ok("ln", "-sfn", "../plex-library-certificates.service", wanted)
    for name, drop_in in _SOONER.items():
        on.write(f"/run/systemd/system/{name}.d/test.conf", drop_in)
    on.ok("systemctl", "daemon-reload")


def hand_over(on: Host, *, port: int = PORT, password: str = PASSWORD, **overrides: object) -> None:
    """The secrets as the installation leaves them, with the stand-in's address."""
    on.ok("mkdir", "-m", "700", "-p", "/var/lib/secrets")
    conf = f"{backup_conf(stack.settings_of(**overrides))}endpoint = http://127.0.0.1:{port}\n"
    on.write("/var/lib/secrets/backup.conf", conf, 0o600)
    on.write("/var/lib/secrets/backup.password", f"{password}\n", 0o600)
