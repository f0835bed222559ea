"""What the B2 stand-in answers to the calls for large files, also to those that rclone does not make."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.b2.keys import CAPABILITIES
from sandbox.b2.large import SMALLEST_PART_BYTES
from tests.runtime.b2 import READ_ONLY, Bucket, Native, calling, installed, running, sha1

pytestmark = pytest.mark.heavy

_BIG = b"a" * SMALLEST_PART_BYTES
_END = b"the end"


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    with running(tmp_path / "b2", installed("debian")) as one:
        yield one


@pytest.fixture
def native(bucket: Bucket) -> Iterator[Native]:
    with calling(bucket) as client:
        yield client


def _error(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]


def _finish(native: Native, file_id: str, *contents: bytes) -> httpx.Response:
    return native.post(
        "b2_finish_large_file", fileId=file_id, partSha1Array=[sha1(one) for one in contents]
    )


def test_from_the_start_to_the_finish(bucket: Bucket, native: Native) -> None:
    asked = {"bucketId": bucket.id, "fileName": "film.mkv", "contentType": "b2/x-auto"}
    started = native.post("b2_start_large_file", fileInfo={"colour": "none"}, **asked).json()
    assert (started["action"], started["contentLength"], started["contentSha1"]) == (
        "start",
        0,
        "none",
    )
    for number, content in enumerate((_BIG, _END), 1):
        part = native.part(started["fileId"], number, content).json()
        assert part["fileId"] == started["fileId"]
        assert (part["partNumber"], part["contentLength"], part["contentSha1"]) == (
            number,
            len(content),
            sha1(content),
        )
    finished = _finish(native, started["fileId"], _BIG, _END).json()
    # The ID and the time stay, as in B2: the order of versions is that of their starts.
    assert finished == {**started, "action": "upload", "contentLength": len(_BIG + _END)}
    assert (finished["contentType"], finished["fileInfo"]) == (
        "video/x-matroska",
        {"colour": "none"},
    )
    query = {"fileId": finished["fileId"]}
    got = native.get("b2_download_file_by_id", headers=native.headers, params=query)
    assert got.content == _BIG + _END
    assert got.headers["x-bz-content-sha1"] == "none"
    assert _error(_finish(native, started["fileId"], _BIG, _END)) == (400, "bad_request")


def test_a_part_comes_again(bucket: Bucket, native: Native, tmp_path: Path) -> None:
    started = native.large_file(bucket.id, "film.mkv")
    native.part(started, 1, b"b" * SMALLEST_PART_BYTES)
    native.part(started, 2, _END)
    native.part(started, 1, _BIG)
    parts = native.post("b2_list_parts", fileId=started).json()["parts"]
    assert [part["contentSha1"] for part in parts] == [sha1(_BIG), sha1(_END)]
    assert len(list((tmp_path / "b2/buckets").rglob("*.parts/*"))) == 2
    _finish(native, started, _BIG, _END)
    assert bucket.ok("cat", "B:the-films/film.mkv") == _BIG + _END


def test_a_part_of_which_the_process_left_two(
    bucket: Bucket, native: Native, tmp_path: Path
) -> None:
    started = native.large_file(bucket.id, "film.mkv")
    native.part(started, 1, _END)
    (path,) = (tmp_path / "b2/buckets").rglob("*.parts/*")
    for when in (1, 2):
        path.with_name(f"00001-{when}-{'0' * 40}").write_bytes(b"what came before")
    (part,) = native.post("b2_list_parts", fileId=started).json()["parts"]
    assert part["contentSha1"] == sha1(_END)


@pytest.mark.parametrize(
    ("there", "told", "code"),
    [
        ({1: _BIG}, [_BIG], "bad_request"),
        ({1: _BIG, 3: _END}, [_BIG, _END, _END], "missing_part"),
        ({1: _BIG, 2: _END}, [_BIG, _BIG], "part_sha1_mismatch"),
        ({1: _BIG, 2: _BIG, 3: _END}, [_BIG, _BIG], "bad_request"),
        ({1: _BIG[1:], 2: _END}, [_BIG[1:], _END], "bad_request"),
        ({1: _BIG, 2: b""}, [_BIG, b""], "bad_request"),
    ],
    ids=["too-few", "missing", "another", "untold", "too-small", "empty"],
)
def test_what_cannot_be_finished(
    bucket: Bucket, native: Native, there: dict[int, bytes], told: list[bytes], code: str
) -> None:
    started = native.large_file(bucket.id, "film.mkv")
    for number, content in there.items():
        assert native.part(started, number, content).status_code == 200
    assert _error(_finish(native, started, *told)) == (400, code)
    assert bucket.service.store.version(started).action == "start"
    assert len(native.post("b2_list_parts", fileId=started).json()["parts"]) == len(there)


@pytest.mark.parametrize("number", [0, 10_001])
def test_a_number_that_no_part_has(bucket: Bucket, native: Native, number: int) -> None:
    started = native.large_file(bucket.id, "film.mkv")
    assert _error(native.part(started, number, _END)) == (400, "bad_request")


@pytest.mark.parametrize(
    ("content", "said"),
    [(_END, "0" * 40), (_END + b"0" * 40, "hex_digits_at_end"), (_END, "hex_digits_at_end")],
    ids=["before", "after", "nowhere"],
)
def test_a_part_with_another_sha1_is_not_kept(
    bucket: Bucket, native: Native, content: bytes, said: str
) -> None:
    started = native.large_file(bucket.id, "film.mkv")
    answer = native.part(started, 1, content, **{"X-Bz-Content-Sha1": said})
    assert _error(answer) == (400, "bad_request")
    assert native.post("b2_list_parts", fileId=started).json()["parts"] == []


def test_the_sha1_of_a_part_may_follow_it(bucket: Bucket, native: Native) -> None:
    started = native.large_file(bucket.id, "film.mkv")
    after = {"X-Bz-Content-Sha1": "hex_digits_at_end"}
    part = native.part(started, 1, _END + sha1(_END).encode(), **after).json()
    assert (part["contentLength"], part["contentSha1"]) == (len(_END), sha1(_END))


def test_a_file_that_is_cancelled_while_a_part_arrives(
    bucket: Bucket, native: Native, tmp_path: Path
) -> None:
    started = native.large_file(bucket.id, "film.mkv")

    def content() -> Iterator[bytes]:
        yield _END
        cancelled = native.post("b2_cancel_large_file", fileId=started).json()
        assert cancelled == {
            "accountId": bucket.service.keys.account_id,
            "bucketId": bucket.id,
            "fileId": started,
            "fileName": "film.mkv",
        }
        yield _END

    assert _error(native.part(started, 1, content())) == (400, "bad_request")
    files = [path.name for path in (tmp_path / "b2/buckets").rglob("*") if path.is_file()]
    assert files == ["bucket.json"]


@pytest.mark.parametrize(
    "call",
    ["b2_get_upload_part_url", "b2_list_parts", "b2_finish_large_file", "b2_cancel_large_file"],
)
def test_what_is_no_large_file(bucket: Bucket, native: Native, call: str) -> None:
    bucket.ok("rcat", "B:the-films/small.txt", given=b"small")
    (small,) = native.post("b2_list_file_names", bucketId=bucket.id).json()["files"]
    for file_id in (small["fileId"], "4_zx"):
        answer = native.post(call, fileId=file_id, partSha1Array=[])
        assert _error(answer) == (400, "bad_request")


def test_listings_show_it_as_a_version_only(bucket: Bucket, native: Native) -> None:
    bucket.ok("rcat", "B:the-films/film.mkv", given=b"the version before")
    started = native.large_file(bucket.id, "film.mkv")
    alone = native.large_file(bucket.id, "folder/alone.mkv")
    names = native.post("b2_list_file_names", bucketId=bucket.id).json()["files"]
    assert [(file["fileName"], file["action"]) for file in names] == [("film.mkv", "upload")]
    versions = native.post("b2_list_file_versions", bucketId=bucket.id).json()["files"]
    assert [(file["fileId"], file["action"], file["contentSha1"]) for file in versions] == [
        (started, "start", "none"),
        (names[0]["fileId"], "upload", sha1(b"the version before")),
        (alone, "start", "none"),
    ]
    query = {"fileId": started}
    got = native.get("b2_download_file_by_id", headers=native.headers, params=query)
    assert _error(got) == (404, "not_found")
    hidden = native.post("b2_hide_file", bucketId=bucket.id, fileName="film.mkv")
    assert hidden.json()["action"] == "hide"
    nothing = native.post("b2_hide_file", bucketId=bucket.id, fileName="folder/alone.mkv")
    assert _error(nothing) == (400, "no_such_file")


def test_the_unfinished_ones_in_pages(bucket: Bucket, native: Native) -> None:
    ids = [native.large_file(bucket.id, f"a/{name}.mkv") for name in "cab"]
    native.large_file(bucket.id, "b/d.mkv")
    asked = {"bucketId": bucket.id, "namePrefix": "a/", "maxFileCount": 2}
    page = native.post("b2_list_unfinished_large_files", **asked).json()
    assert [file["fileId"] for file in page["files"]] == ids[:2]
    assert {file["action"] for file in page["files"]} == {"start"}
    last = native.post(
        "b2_list_unfinished_large_files", startFileId=page["nextFileId"], **asked
    ).json()
    assert [file["fileId"] for file in last["files"]] == ids[2:]
    assert last["nextFileId"] is None


def test_the_parts_in_pages(bucket: Bucket, native: Native) -> None:
    started = native.large_file(bucket.id, "film.mkv")
    for number in (7, 2, 4):
        native.part(started, number, _END)
    page = native.post("b2_list_parts", fileId=started, maxPartCount=2).json()
    assert [part["partNumber"] for part in page["parts"]] == [2, 4]
    last = native.post(
        "b2_list_parts", fileId=started, startPartNumber=page["nextPartNumber"]
    ).json()
    assert ([part["partNumber"] for part in last["parts"]], last["nextPartNumber"]) == ([7], None)


def test_only_who_may_write_there(bucket: Bucket, native: Native) -> None:
    started = native.large_file(bucket.id, "films/film.mkv")
    for key in (bucket.key(*READ_ONLY), bucket.key(*CAPABILITIES, prefix="series/")):
        native.become(key)
        for call in ("b2_get_upload_part_url", "b2_list_parts", "b2_cancel_large_file"):
            assert _error(native.post(call, fileId=started)) == (401, "unauthorized")
        assert _error(_finish(native, started)) == (401, "unauthorized")
        refused = native.post(
            "b2_start_large_file", bucketId=bucket.id, fileName="films/x", contentType="b2/x-auto"
        )
        assert _error(refused) == (401, "unauthorized")
