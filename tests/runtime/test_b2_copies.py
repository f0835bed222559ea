"""Copies that the B2 stand-in makes by itself, with rclone as its client."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.b2.keys import CAPABILITIES
from sandbox.b2.store import Version
from tests.runtime.b2 import PROGRAMS, READ_ONLY, Bucket, Native, calling, installed, running, sha1

pytestmark = pytest.mark.heavy

_FILM = random.Random(2).randbytes(14_000_000)  # noqa: S311 - any bytes
_IN_PARTS = ("--b2-upload-cutoff=5M", "--b2-chunk-size=5M", "--b2-copy-cutoff=5M")
_FROM = "B:the-films/film.mkv"
_TO = "B:the-films/films/Film & more.mkv"


@pytest.fixture(params=PROGRAMS)
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bucket]:
    with running(tmp_path / "b2", installed(str(request.param))) as one:
        yield one


@pytest.fixture
def native(tmp_path: Path) -> Iterator[tuple[Native, Bucket]]:
    with running(tmp_path / "b2", installed("debian")) as bucket, calling(bucket) as client:
        yield client, bucket


def _on_the_server(bucket: Bucket, *command: str) -> None:
    done = bucket.rclone(*command, "-v")
    assert done.returncode == 0, done.stderr.decode()
    assert b"server-side copy" in done.stderr


def _newest(bucket: Bucket, name: str) -> Version:
    version = bucket.service.store.current(bucket.id, name)
    assert version is not None
    return version


def test_a_copy(bucket: Bucket) -> None:
    bucket.ok("rcat", _FROM, given=b"a small film")
    _on_the_server(bucket, "copyto", _FROM, _TO)
    assert bucket.ok("cat", _TO) == b"a small film"
    before, after = _newest(bucket, "film.mkv"), _newest(bucket, "films/Film & more.mkv")
    assert (after.sha1, after.content_type, after.info) == (
        before.sha1,
        before.content_type,
        before.info,
    )


def test_a_copy_in_parts(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "film.mkv").write_bytes(_FILM)
    bucket.ok("copyto", *_IN_PARTS, str(tmp_path / "film.mkv"), _FROM)
    _on_the_server(bucket, "copyto", *_IN_PARTS, _FROM, _TO)
    assert bucket.ok("cat", _TO) == _FILM
    copy = _newest(bucket, "films/Film & more.mkv")
    assert (copy.sha1, copy.info["large_file_sha1"]) == ("none", sha1(_FILM))


def test_a_large_file_is_copied_in_one(bucket: Bucket) -> None:
    bucket.ok("rcat", *_IN_PARTS, _FROM, given=_FILM)
    _on_the_server(bucket, "copyto", _FROM, _TO)
    assert bucket.ok("cat", _TO) == _FILM
    assert _newest(bucket, "films/Film & more.mkv").sha1 == sha1(_FILM)


def test_a_move(bucket: Bucket) -> None:
    bucket.ok("rcat", *_IN_PARTS, _FROM, given=_FILM)
    _on_the_server(bucket, "moveto", _FROM, _TO)
    assert bucket.listed("-R", "--files-only", "B:the-films") == ["films/Film & more.mkv"]
    assert bucket.ok("cat", _TO) == _FILM


def test_a_copy_to_another_bucket(bucket: Bucket) -> None:
    bucket.ok("rcat", _FROM, given=b"a small film")
    _on_the_server(bucket, "copyto", _FROM, "B:another/film.mkv")
    assert bucket.ok("cat", "B:another/film.mkv") == b"a small film"


@pytest.mark.parametrize("options", [(), _IN_PARTS], ids=["in-one", "in-parts"])
def test_another_time_is_a_copy_with_other_info(bucket: Bucket, options: tuple[str, ...]) -> None:
    bucket.ok("rcat", *options, _FROM, given=_FILM)
    kind = _newest(bucket, "film.mkv").content_type
    bucket.ok("touch", *options, "--timestamp=2001-02-03T04:05:06", _FROM)
    (there,) = json.loads(bucket.ok("lsjson", "B:the-films"))
    assert there["ModTime"].startswith("2001-02-03T04:05:06")
    assert there["MimeType"] == kind
    assert bucket.ok("cat", _FROM) == _FILM


def _error(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]


def _small(bucket: Bucket) -> str:
    """The ID of a file that holds 0123456789."""
    bucket.ok("rcat", "B:the-films/small.txt", given=b"0123456789")
    return _newest(bucket, "small.txt").id


@pytest.mark.parametrize(
    ("asked", "got"), [("bytes=2-4", b"234"), ("bytes=8-", b"89"), ("bytes=8-99", b"89")]
)
def test_a_range_is_copied(native: tuple[Native, Bucket], asked: str, got: bytes) -> None:
    client, bucket = native
    source = _small(bucket)
    copy = client.post("b2_copy_file", sourceFileId=source, fileName="copy.txt", range=asked).json()
    assert (copy["action"], copy["contentLength"], copy["contentSha1"]) == (
        "copy",
        len(got),
        sha1(got),
    )
    assert bucket.ok("cat", "B:the-films/copy.txt") == got
    assert _newest(bucket, "copy.txt").action == "upload"
    started = client.large_file(bucket.id, "large.txt")
    part = client.post(
        "b2_copy_part", sourceFileId=source, largeFileId=started, partNumber=1, range=asked
    ).json()
    assert (part["contentLength"], part["contentSha1"]) == (len(got), sha1(got))


def test_info_is_copied_or_replaced(native: tuple[Native, Bucket]) -> None:
    client, bucket = native
    asked = {"sourceFileId": _small(bucket), "fileName": "copy.txt"}
    copied = client.post("b2_copy_file", metadataDirective="COPY", **asked).json()
    assert "src_last_modified_millis" in copied["fileInfo"]
    new = {"contentType": "b2/x-auto", "fileInfo": {"colour": "none"}}
    replaced = client.post("b2_copy_file", metadataDirective="REPLACE", **new, **asked).json()
    assert (replaced["fileInfo"], replaced["contentType"]) == ({"colour": "none"}, "text/plain")


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"range": "bytes=10-"}, 416, "range_not_satisfiable"),
        ({"range": "bytes=5-2"}, 416, "range_not_satisfiable"),
        ({"range": "the first half"}, 400, "bad_request"),
        ({"sourceFileId": "4_zx"}, 404, "not_found"),
        ({"destinationBucketId": "nobody's"}, 400, "bad_bucket_id"),
        ({"fileName": "/x"}, 400, "bad_request"),
        ({"contentType": "text/plain"}, 400, "bad_request"),
        ({"metadataDirective": "COPY", "fileInfo": {}}, 400, "bad_request"),
        ({"metadataDirective": "REPLACE"}, 400, "bad_request"),
        ({"metadataDirective": "MIX"}, 400, "bad_request"),
    ],
    ids=str,
)
def test_what_is_not_copied(
    native: tuple[Native, Bucket], asked: dict[str, object], status: int, code: str
) -> None:
    client, bucket = native
    answer = client.post(
        "b2_copy_file", **{"sourceFileId": _small(bucket), "fileName": "copy.txt", **asked}
    )
    assert _error(answer) == (status, code)
    assert bucket.listed("B:the-films") == ["small.txt"]


def test_what_is_not_copied_as_a_part(native: tuple[Native, Bucket]) -> None:
    client, bucket = native
    source, started = _small(bucket), client.large_file(bucket.id, "large.txt")
    asked = {"sourceFileId": source, "largeFileId": started, "partNumber": 1}
    for more, error in (
        ({"largeFileId": source}, (400, "bad_request")),
        ({"partNumber": 0}, (400, "bad_request")),
        ({"sourceFileId": started}, (404, "not_found")),
        ({"range": "bytes=10-"}, (416, "range_not_satisfiable")),
    ):
        assert _error(client.post("b2_copy_part", **{**asked, **more})) == error
    assert client.post("b2_list_parts", fileId=started).json()["parts"] == []


def test_what_is_too_big_to_be_copied_in_one(native: tuple[Native, Bucket]) -> None:
    client, bucket = native
    store, size = bucket.service.store, 5_000_000_001
    sparse = store.incoming(bucket.id)
    with sparse.open("wb") as file:
        file.truncate(size)
    film = store.upload(
        bucket.id, "film.mkv", sparse, size=size, sha1="none", content_type="video/x", info={}
    )
    asked = {"sourceFileId": film.id, "fileName": "copy.mkv"}
    assert _error(client.post("b2_copy_file", **asked)) == (400, "source_too_large")
    assert client.post("b2_copy_file", range="bytes=0-9", **asked).status_code == 200


def test_only_who_may_read_here_and_write_there(native: tuple[Native, Bucket]) -> None:
    client, bucket = native
    other = bucket.service.store.create_bucket("private", "allPrivate")
    asked = {"sourceFileId": _small(bucket), "fileName": "copy.txt"}
    client.become(bucket.key(*READ_ONLY))
    assert _error(client.post("b2_copy_file", **asked)) == (401, "unauthorized")
    client.become(bucket.key("writeFiles"))
    assert _error(client.post("b2_copy_file", **asked)) == (401, "unauthorized")
    client.become(bucket.key(*CAPABILITIES))
    elsewhere = client.post("b2_copy_file", destinationBucketId=other.id, **asked)
    assert _error(elsewhere) == (401, "unauthorized")
    assert client.post("b2_copy_file", **asked).status_code == 200
