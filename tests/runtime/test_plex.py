"""The Plex stand-in: the program itself, in a network and mounts of its own, with curl as its visitor."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from tests.needs import needs

_PROGRAM = Path(__file__).parents[2] / "sandbox/plex/plexmediaserver"
_PUBLIC = "203.0.113.11"
_DATABASE = "Plex Media Server/Plug-in Support/Databases/com.plexapp.plugins.library.db"
_KNOB = "Plex Media Server/migration"
_TOKEN = "claim-abcdefghij0123456789"

# A machine with a public address, and the media where the mount is.
_MACHINE = f"""
ip link set lo up
ip address add {_PUBLIC}/32 dev lo
mount -t tmpfs none /mnt
mkdir /mnt/media
mount --bind "$1" /mnt/media
shift
exec "$@"
"""

pytestmark = needs("makes namespaces, which takes root", os.geteuid() == 0)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def xml(self) -> ElementTree.Element:
        return ElementTree.fromstring(self.body)


@dataclass(frozen=True)
class Plex:
    """A running stand-in."""

    process: subprocess.Popen[str]
    data: Path

    @property
    def preferences(self) -> Path:
        return self.data / "Plex Media Server/Preferences.xml"

    def ask(self, path: str, *curl: str, address: str = "127.0.0.1", **query: str) -> Answer:
        """curl's answer, on the machine itself or, with its public address, as from elsewhere."""
        url = f"http://{address}:32400{path}?{urlencode(query)}"
        local = [] if address == "127.0.0.1" else ["--interface", address.strip("[]")]
        there = ["nsenter", "-t", str(self.process.pid), "-n"]
        done = subprocess.run(
            [*there, "curl", "-sS", "-w", "%{http_code}", *local, *curl, url],
            capture_output=True,
            check=True,
        )
        return Answer(int(done.stdout[-3:]), done.stdout[:-3])

    def claim(self, *curl: str, token: str = _TOKEN, address: str = "127.0.0.1") -> int:
        return self.ask("/myplex/claim", "-X", "POST", *curl, token=token, address=address).status

    def owner_token(self) -> str:
        return ElementTree.parse(self.preferences).getroot().attrib["PlexOnlineToken"]

    @property
    def database(self) -> Path:
        return self.data / _DATABASE

    def rows(self) -> list[tuple[str, int]]:
        """Title and views of every film in the database, and nothing of the database's state changed."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as opened:
            return opened.execute(
                "select title, coalesce(view_count, 0) from metadata_items"
                " left join metadata_item_settings using (id)"
            ).fetchall()

    def await_status(self, path: str, status: int) -> None:
        for _ in range(100):
            if self.ask(path).status == status:
                return
            threading.Event().wait(0.1)
        raise AssertionError(f"{path} never answered {status}")

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    (folder / "Films").mkdir(parents=True)
    (folder / "Films/Nosferatu & Ärger.mkv").write_bytes(bytes(range(256)) * 1000)
    return folder


def launch(data: Path, media: Path, version: str = "") -> subprocess.Popen[str]:
    machine = ["unshare", "--net", "--mount", "sh", "-euc", _MACHINE, "sh", str(media)]
    environment = {
        "PATH": os.environ["PATH"],
        "PLEX_DATADIR": str(data),
        "LD_LIBRARY_PATH": "/nowhere",
    }
    if version:
        environment["PLEX_STANDIN_VERSION"] = version
    return subprocess.Popen(
        [*machine, sys.executable, str(_PROGRAM)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def start(data: Path, media: Path, version: str = "") -> Plex:
    process = launch(data, media, version)
    assert process.stdout is not None
    with process.stdout:
        assert "listens on port 32400" in process.stdout.readline()
    return Plex(process, data)


@contextmanager
def started(data: Path, media: Path, version: str) -> Iterator[Plex]:
    running = start(data, media, version)
    try:
        yield running
    finally:
        running.end(signal.SIGKILL)


@pytest.fixture
def plex(tmp_path: Path, media: Path) -> Iterator[Plex]:
    running = start(tmp_path / "plex", media)
    yield running
    running.end(signal.SIGKILL)


def test_a_new_server_says_who_it_is_and_that_nobody_owns_it(plex: Plex) -> None:
    identity = plex.ask("/identity").xml()
    preferences = ElementTree.parse(plex.preferences).getroot().attrib
    assert identity.tag == "MediaContainer"
    assert (identity.get("size"), identity.get("claimed")) == ("0", "0")
    assert identity.get("machineIdentifier") == preferences["ProcessedMachineIdentifier"]
    assert identity.get("version")
    assert plex.preferences.stat().st_mode & 0o777 == 0o600


def test_it_listens_on_every_address(plex: Plex) -> None:
    for address in (_PUBLIC, "[::1]"):
        assert plex.ask("/identity", address=address).status == 200


def test_claimed(plex: Plex) -> None:
    assert plex.claim() == 200
    assert plex.ask("/identity").xml().get("claimed") == "1"
    # As the host's own gate looks for it.
    assert f' PlexOnlineToken="{plex.owner_token()}"' in plex.preferences.read_text()
    assert plex.ask("/library/all").status == 401
    assert plex.ask("/library/all", "-H", "X-Plex-Token: no").status == 401
    assert plex.ask("/library/all", "-H", f"X-Plex-Token: {plex.owner_token()}").status == 200
    assert plex.ask("/library/all", **{"X-Plex-Token": plex.owner_token()}).status == 200


@pytest.mark.parametrize(
    "token",
    ["", "claim-", "claim-short", "abcdefghij0123456789abcdef", "claim-expired0123456789ab"],
)
def test_a_bad_claim_token(plex: Plex, token: str) -> None:
    assert plex.claim(token=token) == 401
    assert plex.ask("/identity").xml().get("claimed") == "0"


def test_only_who_is_at_the_machine_claims(plex: Plex) -> None:
    assert plex.claim(address=_PUBLIC) == 403
    for header in ("X-Forwarded-For: 198.51.100.7", "X-Real-IP: 127.0.0.1"):
        assert plex.claim("-H", header) == 403
    assert plex.ask("/identity").xml().get("claimed") == "0"


def test_without_an_owner_whoever_looks_local_may_do_everything(plex: Plex) -> None:
    assert plex.ask("/library/all").status == 200  # as through a proxy that says nothing
    assert plex.ask("/library/all", "-H", "X-Forwarded-For: 192.168.1.5").status == 200
    assert plex.ask("/library/all", "-H", "X-Forwarded-For: 198.51.100.7").status == 401
    assert plex.ask("/library/all", address=_PUBLIC).status == 401
    forged = plex.ask("/library/all", "-H", "X-Forwarded-For: 127.0.0.1", address=_PUBLIC)
    assert forged.status == 401


def test_unclaimed_again(plex: Plex) -> None:
    plex.claim()
    assert plex.ask("/myplex/account", "-X", "DELETE").status == 401
    token = f"X-Plex-Token: {plex.owner_token()}"
    assert plex.ask("/myplex/account", "-X", "DELETE", "-H", token).status == 200
    assert plex.ask("/identity").xml().get("claimed") == "0"
    assert "PlexOnlineToken" not in plex.preferences.read_text()


def test_the_media_and_their_bytes(plex: Plex, media: Path) -> None:
    (part,) = plex.ask("/library/all").xml().iter("Part")
    content = (media / "Films/Nosferatu & Ärger.mkv").read_bytes()
    assert part.get("file") == "/mnt/media/Films/Nosferatu & Ärger.mkv"
    assert part.get("size") == str(len(content))
    assert plex.ask(part.attrib["key"]).body == content
    piece = plex.ask(part.attrib["key"], "-r", "1000-1999")
    assert (piece.status, piece.body) == (206, content[1000:2000])
    assert plex.ask("/library/parts/1/file").status == 404


def test_an_identity_that_is_there_is_kept(tmp_path: Path, media: Path) -> None:
    home = tmp_path / "plex/Plex Media Server"
    home.mkdir(parents=True)
    identifier = "0123456789abcdef0123456789abcdef01234567"
    restored = f'<Preferences ProcessedMachineIdentifier="{identifier}" />'
    (home / "Preferences.xml").write_text(restored)
    running = start(tmp_path / "plex", media)
    try:
        assert running.ask("/identity").xml().get("machineIdentifier") == identifier
    finally:
        running.end(signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM])
def test_it_ends_in_order_and_stays_the_same_server(
    tmp_path: Path, media: Path, number: int
) -> None:
    first = start(tmp_path / "plex", media)
    first.claim()
    identifier = first.ask("/identity").xml().get("machineIdentifier")
    pid_file = first.data / "Plex Media Server/plexmediaserver.pid"
    assert pid_file.read_text().strip() == str(first.process.pid)
    assert first.end(number) == 0
    assert not pid_file.exists()
    written = first.preferences.read_text().replace("<Preferences ", '<Preferences Unknown="kept" ')
    first.preferences.write_text(written)
    second = start(tmp_path / "plex", media)
    try:
        identity = second.ask("/identity").xml()
        assert (identity.get("machineIdentifier"), identity.get("claimed")) == (identifier, "1")
        second.claim()
        assert 'Unknown="kept"' in second.preferences.read_text()
    finally:
        second.end(signal.SIGKILL)


def test_a_number_in_its_pid_file_that_lives_is_a_plex_that_runs(
    tmp_path: Path, media: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever's it is: here it is this test's. After a kill the file is still there."""
    first = start(tmp_path, media)
    pid_file = tmp_path / "Plex Media Server/plexmediaserver.pid"
    first.end(signal.SIGKILL)
    assert pid_file.read_text().strip() == str(first.process.pid)
    start(tmp_path, media).end(signal.SIGKILL)  # a number that nobody has

    pid_file.write_text(f"{os.getpid()}\n")
    with launch(tmp_path, media) as second:
        assert second.wait(60) == 0
    assert "Plex Media Server is already running. Will not start..." in capfd.readouterr().err
    assert pid_file.read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("text", ["", '<?xml version="1.0"?>\n<Preferences PlexOnl'])
def test_with_preferences_that_are_empty_or_cut_it_never_answers(
    tmp_path: Path, media: Path, text: str
) -> None:
    home = tmp_path / "Plex Media Server"
    home.mkdir()
    (home / "Preferences.xml").write_text(text)
    with launch(tmp_path, media) as process:
        try:
            # It has read them by then.
            while not (home / "plexmediaserver.pid").exists():
                assert process.poll() is None
                threading.Event().wait(0.02)
            process.send_signal(signal.SIGQUIT)
            assert process.wait(60) == 0
        finally:
            process.kill()
        assert process.stdout is not None
        assert process.stdout.read() == ""
    assert (home / "Preferences.xml").read_text() == text


def test_it_writes_its_preferences_in_place(plex: Plex) -> None:
    inode = plex.preferences.stat().st_ino
    plex.claim()
    assert plex.preferences.stat().st_ino == inode


def films(data: Path, media: Path, version: str) -> None:
    """A library with one film, watched twice, left by a power cut."""
    with started(data, media, version) as running:
        assert running.ask("/identity").xml().get("version") == version
        assert running.ask("/library/sections/all/refresh").status == 200
        (video,) = running.ask("/library/all").xml().iter("Video")
        assert video.get("viewCount") == "0"
        for method in ("PUT", "GET"):
            assert (
                running.ask("/:/scrobble", "-X", method, key=video.attrib["ratingKey"]).status
                == 200
            )
        assert running.ask("/:/scrobble", "-X", "PUT", key="1").status == 404
        (video,) = running.ask("/library/all").xml().iter("Video")
        assert video.get("viewCount") == "2"


_ROWS = [("Nosferatu & Ärger", 2)]


def test_the_library_is_the_owners(plex: Plex) -> None:
    plex.claim()
    assert plex.ask("/library/sections/all/refresh").status == 401
    assert plex.ask("/:/scrobble", "-X", "PUT", key="1").status == 401


def test_what_was_watched_is_in_the_databases_log_first(tmp_path: Path, media: Path) -> None:
    films(tmp_path, media, "1.42.99.05.1.0123456789ab")
    assert (tmp_path / f"{_DATABASE}-wal").stat().st_size > 0
    with started(tmp_path, media, "1.42.99.05.1.0123456789ab") as again:
        assert again.rows() == _ROWS
        assert again.end(signal.SIGQUIT) == 0
    assert not (tmp_path / f"{_DATABASE}-wal").exists()


def test_an_older_database_is_migrated_behind_a_503(tmp_path: Path, media: Path) -> None:
    films(tmp_path, media, "1.42.99.05.9.0123456789ab")
    (tmp_path / _KNOB).write_text("waits\n")
    with started(tmp_path, media, "1.42.99.05.10.0123456789ab") as newer:
        assert newer.ask("/identity").status == 503
        assert newer.ask("/library/all").status == 503
        newer.end(signal.SIGKILL)
    # Cut short, it goes on at the next start.
    with started(tmp_path, media, "1.42.99.05.10.0123456789ab") as newer:
        assert newer.ask("/identity").status == 503
        (tmp_path / _KNOB).unlink()
        newer.await_status("/identity", 200)
        assert newer.rows() == _ROWS
        assert newer.end(signal.SIGQUIT) == 0


@pytest.mark.parametrize("knob", ["", "fails"])
def test_an_older_plex_refuses_what_a_newer_one_has_changed(
    tmp_path: Path, media: Path, knob: str, capfd: pytest.CaptureFixture[str]
) -> None:
    films(tmp_path, media, "1.42.99.05.2.0123456789ab")
    (tmp_path / _KNOB).write_text(knob)
    newer = start(tmp_path, media, "1.42.99.11.1.0123456789ab")
    if knob:
        assert newer.process.wait(60) == 1
    else:
        newer.await_status("/identity", 200)
        newer.end(signal.SIGKILL)
    with launch(tmp_path, media, "1.42.99.05.2.0123456789ab") as older:
        assert older.wait(60) == 1
    assert "schema of version 1.42.99.11.1.0123456789ab" in capfd.readouterr().err


@pytest.mark.parametrize(("knob", "status"), [("fails", 1), ("crashes", -signal.SIGABRT)])
def test_a_migration_that_ends_half_way_leaves_the_films_nowhere(
    tmp_path: Path, media: Path, knob: str, status: int
) -> None:
    films(tmp_path, media, "1.42.99.05.1.0123456789ab")
    (tmp_path / _KNOB).write_text(knob)
    newer = start(tmp_path, media, "1.42.99.05.2.0123456789ab")
    assert newer.process.wait(60) == status
    assert newer.rows() == []


def damage(database: Path, name: str) -> None:
    """Zeros in the place of the first page of a table or an index, as a disk that fails leaves them."""
    with closing(sqlite3.connect(database)) as opened:
        (size,) = opened.execute("pragma page_size").fetchone()
        (page,) = opened.execute(
            "select rootpage from sqlite_schema where name = ?", [name]
        ).fetchone()
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))


def stopped(data: Path, media: Path) -> Path:
    """Its database, with one film in it and nothing in its log."""
    running = start(data, media)
    running.ask("/library/sections/all/refresh")
    assert running.end(signal.SIGQUIT) == 0
    return running.database


def test_with_damaged_films_it_starts_and_fails_where_it_is_asked_for_them(
    tmp_path: Path, media: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    database = stopped(tmp_path, media)
    for name in ("metadata_items", "index_title_sort_icu"):
        damage(database, name)
    running = start(tmp_path, media)
    try:
        assert running.ask("/identity").status == 200
        assert running.ask("/library/all").status == 500
        assert running.ask("/library/sections/all/refresh").status == 500
    finally:
        running.end(signal.SIGKILL)
    assert "database disk image is malformed" in capfd.readouterr().err


def test_with_a_damaged_schema_it_ends(
    tmp_path: Path, media: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    damage(stopped(tmp_path, media), "schema_migrations")
    with launch(tmp_path, media) as process:
        assert process.wait(60) == 1
    said = capfd.readouterr().err
    assert "Unable to set up server: database disk image is malformed" in said


def test_a_stock_sqlite_does_not_know_how_its_titles_are_sorted(
    tmp_path: Path, media: Path
) -> None:
    with closing(sqlite3.connect(stopped(tmp_path, media))) as opened:
        with pytest.raises(sqlite3.OperationalError, match="no such collation sequence: icu_root"):
            opened.execute("pragma quick_check")
        assert opened.execute("select title from metadata_items").fetchall() != []
