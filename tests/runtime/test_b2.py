"""The B2 stand-in, with rclone as its client."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from sandbox.b2.keys import CAPABILITIES
from tests.runtime.b2 import PROGRAMS, READ_ONLY, Bucket, Native, calling, installed, running


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    return installed(str(request.param))


@pytest.fixture
def bucket(program: str, tmp_path: Path) -> Iterator[Bucket]:
    with running(tmp_path / "b2", program) as one:
        yield one


@pytest.fixture
def native(tmp_path: Path) -> Iterator[tuple[Native, Bucket]]:
    with running(tmp_path / "b2", installed("debian")) as bucket, calling(bucket) as client:
        yield client, bucket


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """Names with all that a listing and a URL can get wrong, and a file of a few megabytes."""
    folder = tmp_path / "media"
    for name, content in {
        "Films/Nosferatu (1922)/Nosferatu – Symphonie.mkv": bytes(range(256)) * 12_000,
        "Films/a+b & 100% #1.mkv": b"plus",
        "Films-extra/trailer.mkv": b"beside the folder, and before it in order",
        "Ärger/日本.txt": b"unicode",
        "empty.bin": b"",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_what_was_copied_is_there(bucket: Bucket, media: Path) -> None:
    bucket.ok("copy", str(media), "B:the-films")
    bucket.ok("check", "--download", str(media), "B:the-films")
    bucket.ok("check", str(media), "B:the-films")
    assert sorted(bucket.listed("-R", "--files-only", "B:the-films")) == sorted(
        str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()
    )


def test_a_folder_is_listed_once_and_without_what_lies_in_it(bucket: Bucket, media: Path) -> None:
    bucket.ok("copy", str(media), "B:the-films")
    assert bucket.listed("B:the-films") == ["Films", "Films-extra", "empty.bin", "Ärger"]
    assert bucket.listed("B:the-films/Films") == ["Nosferatu (1922)", "a+b & 100% #1.mkv"]


def test_sizes_hashes_and_times_survive(bucket: Bucket, media: Path) -> None:
    bucket.ok("copy", str(media), "B:the-films")
    name = "Films/Nosferatu (1922)/Nosferatu – Symphonie.mkv"
    (there,) = json.loads(bucket.ok("lsjson", "--hash", f"B:the-films/{name}"))
    content = (media / name).read_bytes()
    assert there["Size"] == len(content)
    assert there["Hashes"]["sha1"] == hashlib.sha1(content, usedforsecurity=False).hexdigest()
    # A second copy compares sizes and times, and has nothing to do.
    again = bucket.rclone("copy", "--dry-run", "-v", str(media), "B:the-films")
    assert again.returncode == 0
    assert b"Skipped" not in again.stderr


@pytest.mark.parametrize(
    ("offset", "count"), [(0, 10), (1_000_000, 70_000), (3_071_990, 10), (-10, 10)]
)
def test_a_range(bucket: Bucket, media: Path, offset: int, count: int) -> None:
    bucket.ok("copy", str(media), "B:the-films")
    name = "Films/Nosferatu (1922)/Nosferatu – Symphonie.mkv"
    got = bucket.ok("cat", f"--offset={offset}", f"--count={count}", f"B:the-films/{name}")
    content = (media / name).read_bytes()
    start = offset % len(content)
    assert got == content[start : start + count]


def test_a_listing_of_several_pages(bucket: Bucket) -> None:
    store = bucket.service.store
    for number in range(1203):  # rclone asks for a thousand at a time
        empty = store.incoming(bucket.id)
        empty.write_bytes(b"")
        store.upload(
            bucket.id,
            f"{number % 3}/{number}",
            empty,
            size=0,
            sha1=hashlib.sha1(usedforsecurity=False).hexdigest(),
            content_type="text/plain",
            info={},
        )
    assert len(bucket.listed("-R", "--files-only", "B:the-films")) == 1203
    assert bucket.listed("B:the-films") == ["0", "1", "2"]
    assert len(bucket.listed("B:the-films/1")) == 401


def test_everything_is_there_after_a_restart(program: str, media: Path, tmp_path: Path) -> None:
    with running(tmp_path / "b2", program) as before:
        before.ok("copy", str(media), "B:the-films")
        before.ok("deletefile", "B:the-films/empty.bin")
        key = before.key(*CAPABILITIES)
    with running(tmp_path / "b2", program) as after:
        (media / "empty.bin").unlink()
        after.ok("check", "--download", str(media), "B:the-films", key=key)
        assert len(after.listed("-R", "--files-only", "--b2-versions", "B:the-films")) == 5


def test_a_wrong_key_is_refused(bucket: Bucket) -> None:
    refused = bucket.rclone("lsf", "B:the-films", secret="K000wrong")
    assert refused.returncode == 1
    assert b"(401 unauthorized)" in refused.stderr


def test_a_key_for_one_bucket(bucket: Bucket, media: Path) -> None:
    bucket.ok("copy", str(media), "B:the-films")
    bucket.service.store.create_bucket("private", "allPrivate")
    key = bucket.key(*READ_ONLY)
    assert bucket.ok("cat", "B:the-films/Films/a+b & 100% #1.mkv", key=key) == b"plus"
    other = bucket.rclone("lsf", "B:private", key=key)
    assert other.returncode == 1
    assert b"must use bucket" in other.stderr  # rclone knows it from the answer to its key


@pytest.mark.parametrize(
    "command",
    [
        ["copyto", "/etc/hostname", "B:the-films/new.txt"],
        ["deletefile", "B:the-films/empty.bin"],
        ["rmdir", "B:the-films"],
    ],
    ids=lambda command: str(command[0]),
)
def test_a_key_that_may_only_read(bucket: Bucket, media: Path, command: list[str]) -> None:
    bucket.ok("copy", str(media), "B:the-films")
    refused = bucket.rclone(*command, key=bucket.key(*READ_ONLY))
    assert refused.returncode != 0
    assert b"(401 unauthorized)" in refused.stderr
    assert len(bucket.listed("-R", "--files-only", "B:the-films")) == 5


def test_a_key_that_may_only_read_makes_no_bucket(bucket: Bucket) -> None:
    key = bucket.service.keys.create("a test's", READ_ONLY)
    refused = bucket.rclone("mkdir", "B:another", key=key)
    assert refused.returncode != 0
    assert b"(401 unauthorized)" in refused.stderr
    assert bucket.listed("B:") == ["the-films"]


def test_a_key_for_a_prefix(bucket: Bucket, media: Path) -> None:
    bucket.ok("copy", str(media), "B:the-films")
    key = bucket.key(*READ_ONLY, prefix="Films/")
    assert bucket.ok("cat", "B:the-films/Films/a+b & 100% #1.mkv", key=key) == b"plus"
    assert b"401" in bucket.rclone("lsf", "B:the-films", key=key).stderr


def test_a_new_bucket(bucket: Bucket) -> None:
    bucket.ok("mkdir", "B:another")
    assert bucket.listed("B:") == ["another", "the-films"]
    bucket.ok("rmdir", "B:another")
    assert bucket.listed("B:") == ["the-films"]


def test_rclone_link_is_a_download_authorization(bucket: Bucket, media: Path) -> None:
    bucket.ok("copy", str(media), "B:the-films")
    link = bucket.ok("link", "B:the-films/Ärger/日本.txt").decode().strip()
    assert httpx.get(link, timeout=60).content == b"unicode"
    assert httpx.get(re.sub(r"[^/]+\.txt", "other.txt", link), timeout=60).status_code == 401


def test_authorize_in_each_version(native: tuple[Native, Bucket]) -> None:
    client, bucket = native
    key = bucket.key(*READ_ONLY)
    allowed: dict[int, Callable[[dict[str, dict[str, dict[str, object]]]], object]] = {
        1: lambda answer: answer["allowed"]["bucketId"],
        2: lambda answer: answer["allowed"]["bucketId"],
        3: lambda answer: answer["apiInfo"]["storageApi"]["bucketId"],
        4: lambda answer: answer["apiInfo"]["storageApi"]["allowed"],
    }
    answers = {
        version: read(client.get("b2_authorize_account", version, auth=(key.id, key.secret)).json())
        for version, read in allowed.items()
    }
    assert answers == {
        1: bucket.id,
        2: bucket.id,
        3: bucket.id,
        4: {
            "capabilities": list(READ_ONLY),
            "namePrefix": None,
            "buckets": [{"id": bucket.id, "name": "the-films"}],
        },
    }


def test_an_upload_url_takes_one_upload_at_a_time(
    native: tuple[Native, Bucket], tmp_path: Path
) -> None:
    client, bucket = native
    arriving = tmp_path / "b2/buckets" / bucket.id
    url = client.post("b2_get_upload_url", bucketId=bucket.id).json()
    begun, go_on = threading.Event(), threading.Event()

    def upload(name: str, content: bytes | Iterator[bytes]) -> httpx.Response:
        headers = {
            "Authorization": url["authorizationToken"],
            "X-Bz-File-Name": name,
            "X-Bz-Content-Sha1": "do_not_verify",
        }
        return httpx.post(url["uploadUrl"], content=content, headers=headers, timeout=60)

    def slowly() -> Iterator[bytes]:
        yield b"one"
        begun.set()
        go_on.wait(60)
        yield b"two"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(upload, "slow", slowly())
        assert begun.wait(60)
        while not any(arriving.glob(".incoming-*")):
            threading.Event().wait(0.02)
        second = upload("other", b"content")
        go_on.set()
        assert first.result().status_code == 200
    assert (second.status_code, second.json()["code"]) == (400, "auth_token_limit")
    assert upload("other", b"content").status_code == 200


def test_a_new_key_for_a_bucket_is_for_version_4_alone(native: tuple[Native, Bucket]) -> None:
    client, bucket = native
    key = bucket.key(*READ_ONLY, since=4)
    answers = {
        version: client.get("b2_authorize_account", version, auth=(key.id, key.secret))
        for version in (1, 2, 3, 4)
    }
    assert [answer.status_code for answer in answers.values()] == [400, 400, 400, 200]
    assert answers[1].json()["message"] == (
        "This request is not currently supported on API version number 1"
    )
    # Its token is one for the calls of every version.
    token = {"Authorization": answers[4].json()["authorizationToken"]}
    listed = client.get("b2_list_file_names", 1, params={"bucketId": bucket.id}, headers=token)
    assert listed.status_code == 200


def test_who_comes_by_a_name_is_sent_on_to_names(native: tuple[Native, Bucket]) -> None:
    client, bucket = native
    master = bucket.service.keys.master
    told = {
        host: client.get(
            "b2_authorize_account", auth=(master.id, master.secret), headers={"Host": host}
        ).json()
        for host in ("api.backblazeb2.com", "127.0.0.1:1")
    }
    assert told["api.backblazeb2.com"]["apiUrl"] == "https://api000.backblazeb2.com"
    assert told["api.backblazeb2.com"]["downloadUrl"] == "https://f000.backblazeb2.com"
    assert told["127.0.0.1:1"]["apiUrl"] == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("call", "body", "status", "code"),
    [
        ("b2_list_file_names", {"bucketId": "nobody's"}, 400, "bad_bucket_id"),
        ("b2_list_file_names", {}, 400, "bad_request"),
        ("b2_get_file_info", {"fileId": "4_zx"}, 404, "not_found"),
        ("b2_update_file_retention", {}, 400, "bad_request"),
        ("b2_list_buckets", {"accountId": "somebody else"}, 401, "unauthorized"),
    ],
)
def test_errors_are_b2s(
    native: tuple[Native, Bucket], call: str, body: dict[str, str], status: int, code: str
) -> None:
    client, _ = native
    answer = client.post(call, **body)
    assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (
        status,
        status,
        code,
    )


def test_a_token_that_is_none(native: tuple[Native, Bucket]) -> None:
    client, _ = native
    for headers in ({}, {"Authorization": "4_invented"}):
        answer = client.get("b2_list_buckets", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_auth_token")


@pytest.mark.parametrize("body", ["", "[]", "no JSON"])
def test_a_body_that_is_none(native: tuple[Native, Bucket], body: str) -> None:
    client, bucket = native
    answer = httpx.post(
        f"{bucket.url}/b2api/v2/b2_list_file_names", content=body, headers=client.headers
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_download_by_its_id(native: tuple[Native, Bucket]) -> None:
    client, bucket = native
    bucket.ok("copyto", "/etc/hostname", "B:the-films/x")
    (there,) = client.post("b2_list_file_names", bucketId=bucket.id).json()["files"]
    url, headers = f"{bucket.url}/b2api/v2/b2_download_file_by_id", client.headers
    content = Path("/etc/hostname").read_bytes()
    query = {"fileId": there["fileId"]}
    assert httpx.get(url, headers=headers, params=query, timeout=60).content == content
    assert httpx.post(url, headers=headers, json=query, timeout=60).content == content
    assert httpx.get(url, params=query, timeout=60).status_code == 401
    head = httpx.head(url, headers=headers, params=query)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(content)))
    for name, value in there["fileInfo"].items():
        assert head.headers[f"x-bz-info-{name}"] == value
    assert "src_last_modified_millis" in there["fileInfo"]


@pytest.mark.parametrize("call", ["b2_list_file_names", "b2_get_upload_url"])
def test_a_key_for_one_bucket_is_none_for_another(native: tuple[Native, Bucket], call: str) -> None:
    client, bucket = native
    other = bucket.service.store.create_bucket("private", "allPrivate")
    client.become(bucket.key(*CAPABILITIES))
    assert client.post(call, bucketId=bucket.id).status_code == 200
    refused = client.post(call, bucketId=other.id)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")


def test_bytes_with_another_sha1_are_not_kept(native: tuple[Native, Bucket]) -> None:
    client, bucket = native
    url = client.post("b2_get_upload_url", bucketId=bucket.id).json()
    answer = httpx.post(
        url["uploadUrl"],
        content=b"something",
        headers={
            "Authorization": url["authorizationToken"],
            "X-Bz-File-Name": "x",
            "X-Bz-Content-Sha1": "0" * 40,
        },
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert bucket.listed("B:the-films") == []


def test_a_range_past_the_end(native: tuple[Native, Bucket]) -> None:
    _, bucket = native
    bucket.ok("copyto", "/etc/hostname", "B:the-films/x")
    link = bucket.ok("link", "B:the-films/x").decode().strip()
    answer = httpx.get(link, headers={"Range": "bytes=99999-"}, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
