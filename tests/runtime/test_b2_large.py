"""Large files in the B2 stand-in, with rclone as its client."""

from __future__ import annotations

import json
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.b2 import large
from sandbox.b2.store import Version
from tests.runtime.b2 import PROGRAMS, Bucket, calling, installed, running, sha1

_FILM = random.Random(1).randbytes(14_000_000)  # noqa: S311 - any bytes
_SHA1 = sha1(_FILM)
_THERE = "B:the-films/film.mkv"
_PART = 5 << 20
_IN_PARTS = ("--b2-upload-cutoff=5M", "--b2-chunk-size=5M")


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    return installed(str(request.param))


@pytest.fixture
def bucket(program: str, tmp_path: Path) -> Iterator[Bucket]:
    with running(tmp_path / "b2", program) as one:
        yield one


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "media/film.mkv"
    path.parent.mkdir()
    path.write_bytes(_FILM)
    return path


def _only_version(bucket: Bucket) -> Version:
    (version,) = bucket.service.store.versions(bucket.id, "film.mkv")
    return version


def _on_disk(tmp_path: Path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "b2/buckets").rglob("*") if p.is_file())


def test_it_arrives_whole(bucket: Bucket, film: Path, tmp_path: Path) -> None:
    bucket.ok("copy", *_IN_PARTS, str(film), "B:the-films")
    bucket.ok("check", "--download", str(film.parent), "B:the-films")
    bucket.ok("check", str(film.parent), "B:the-films")
    (there,) = json.loads(bucket.ok("lsjson", "--hash", "B:the-films"))
    assert (there["Size"], there["Hashes"]["sha1"]) == (len(_FILM), _SHA1)
    version = _only_version(bucket)
    assert (version.sha1, version.info["large_file_sha1"]) == ("none", _SHA1)
    assert _on_disk(tmp_path) == [version.id, f"{version.id}.json", "bucket.json"]


def test_it_need_not_say_its_length_first(bucket: Bucket) -> None:
    bucket.ok("rcat", *_IN_PARTS, _THERE, given=_FILM)
    assert bucket.ok("cat", _THERE) == _FILM
    assert _only_version(bucket).sha1 == "none"


def test_a_range_of_two_parts(bucket: Bucket) -> None:
    bucket.ok("rcat", *_IN_PARTS, _THERE, given=_FILM)
    got = bucket.ok("cat", f"--offset={_PART - 10}", "--count=20", _THERE)
    assert got == _FILM[_PART - 10 : _PART + 10]


def _interrupted(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, how: signal.Signals) -> None:
    """An upload of which a part has arrived when rclone ends."""
    arrived = threading.Event()
    add_part = large.add_part

    def told(*arguments: object) -> large.Part:
        part = add_part(*arguments)  # type: ignore[arg-type]  # as it is called
        arrived.set()
        return part

    monkeypatch.setattr(large, "add_part", told)
    with bucket.start("rcat", *_IN_PARTS, _THERE) as rclone:
        assert rclone.stdin is not None
        rclone.stdin.write(_FILM)  # and no end
        rclone.stdin.flush()
        assert arrived.wait(30), "no part arrived"
        rclone.send_signal(how)
        rclone.wait(30)


def test_an_interrupted_upload_is_seen_as_an_old_version_only(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    _interrupted(bucket, monkeypatch, signal.SIGKILL)
    assert _only_version(bucket).action == "start"
    assert bucket.listed("B:the-films") == []
    assert bucket.listed("--b2-versions", "B:the-films") == ["film.mkv"]
    bucket.ok("rcat", _THERE, given=b"small")
    assert bucket.ok("cat", _THERE) == b"small"


def test_rclone_cancels_what_it_can(
    program: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with running(tmp_path / "b2", program) as bucket:
        _interrupted(bucket, monkeypatch, signal.SIGTERM)
    # The next part may have been on its way; nothing is once the service has ended.
    assert _on_disk(tmp_path) == ["bucket.json"]


def test_a_cleanup_leaves_a_young_one_alone(
    program: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with running(tmp_path / "b2", program) as bucket:
        _interrupted(bucket, monkeypatch, signal.SIGKILL)
        bucket.ok("cleanup", "B:the-films")
        assert _only_version(bucket).action == "start"
        if program == PROGRAMS["debian"]:
            return  # it has no other cleanup
        bucket.ok("backend", "cleanup", "-o", "max-age=0", "B:the-films")
    assert _on_disk(tmp_path) == ["bucket.json"]


def test_an_old_one_is_there_after_a_restart_and_cleaned_up(program: str, tmp_path: Path) -> None:
    with running(tmp_path / "b2", program) as before, calling(before) as native:
        started = native.large_file(before.id, "film.mkv")
        native.part(started, 1, b"some bytes")
    (path,) = (tmp_path / "b2/buckets").rglob(f"{started}.json")
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "uploaded": kept["uploaded"] - 25 * 3600 * 1000}))
    with running(tmp_path / "b2", program) as after, calling(after) as native:
        (part,) = native.post("b2_list_parts", fileId=started).json()["parts"]
        assert part["contentLength"] == len(b"some bytes")
        after.ok("cleanup", "B:the-films")
    assert _on_disk(tmp_path) == ["bucket.json"]


def test_a_purge_takes_an_unfinished_one_along(program: str, tmp_path: Path) -> None:
    with running(tmp_path / "b2", program) as bucket, calling(bucket) as native:
        native.part(native.large_file(bucket.id, "film.mkv"), 1, b"some bytes")
        assert bucket.rclone("rmdir", "B:the-films").returncode != 0
        bucket.ok("purge", "B:the-films")
        assert bucket.service.store.buckets() == []
