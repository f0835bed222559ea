"""Hidden files and old versions in the B2 stand-in, with rclone as its client."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.b2.store import Version
from tests.runtime.b2 import PROGRAMS, Bucket, installed, running

pytestmark = pytest.mark.heavy

_TEXT = "B:the-films/text.txt"


@pytest.fixture(params=PROGRAMS)
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bucket]:
    with running(tmp_path / "b2", installed(str(request.param))) as one:
        yield one


def _versions(bucket: Bucket) -> list[Version]:
    """Of the one file, newest first."""
    return bucket.service.store.versions(bucket.id, "text.txt")


def test_a_deleted_file_is_hidden_and_comes_back(bucket: Bucket) -> None:
    bucket.ok("rcat", _TEXT, given=b"one")
    bucket.ok("deletefile", _TEXT)
    assert bucket.listed("B:the-films") == []
    assert bucket.rclone("cat", _TEXT).stdout == b""
    (version,) = bucket.listed("--b2-versions", "B:the-films")
    assert bucket.ok("cat", "--b2-versions", f"B:the-films/{version}") == b"one"


def test_a_folder_with_nothing_but_hidden_files_is_gone(bucket: Bucket) -> None:
    bucket.ok("rcat", "B:the-films/folder/text.txt", given=b"one")
    bucket.ok("deletefile", "B:the-films/folder/text.txt")
    assert bucket.listed("B:the-films") == []


def test_a_hard_delete_leaves_nothing(bucket: Bucket, tmp_path: Path) -> None:
    bucket.ok("rcat", _TEXT, given=b"one")
    bucket.ok("deletefile", "--b2-hard-delete", _TEXT)
    assert bucket.listed("--b2-versions", "B:the-films") == []
    assert [path.name for path in (tmp_path / "b2/buckets").rglob("*") if path.is_file()] == [
        "bucket.json"
    ]


def test_a_hard_delete_brings_the_version_before_back(bucket: Bucket) -> None:
    bucket.ok("rcat", _TEXT, given=b"one")
    bucket.ok("rcat", _TEXT, given=b"two")
    bucket.ok("deletefile", "--b2-hard-delete", _TEXT)
    assert bucket.ok("cat", _TEXT) == b"one"


def test_the_newest_version_is_the_one(bucket: Bucket) -> None:
    bucket.ok("rcat", _TEXT, given=b"one")
    bucket.ok("rcat", _TEXT, given=b"two")
    assert bucket.ok("cat", _TEXT) == b"two"
    assert len(bucket.listed("--b2-versions", "B:the-films")) == 2


def test_the_bucket_as_it_was(bucket: Bucket) -> None:
    bucket.ok("rcat", _TEXT, given=b"one")
    bucket.ok("deletefile", _TEXT)
    bucket.ok("rcat", _TEXT, given=b"two")
    then = []
    for version in reversed(_versions(bucket)):
        at = datetime.fromtimestamp(version.uploaded / 1000, UTC).isoformat(timespec="milliseconds")
        then.append(bucket.rclone("cat", f"--b2-version-at={at}", _TEXT).stdout)
    assert then == [b"one", b"", b"two"]


@pytest.mark.parametrize("command", [["cleanup"], ["backend", "cleanup-hidden"]], ids=" ".join)
def test_a_cleanup_leaves_what_is_to_be_seen(bucket: Bucket, command: list[str]) -> None:
    if command[0] == "backend" and bucket.rclone_program == PROGRAMS["debian"]:
        pytest.skip("Debian's rclone does not have this command")
    for text in (b"one", b"two", b"three"):
        bucket.ok("rcat", _TEXT, given=text)
    bucket.ok("rcat", "B:the-films/gone.txt", given=b"four")
    bucket.ok("deletefile", "B:the-films/gone.txt")
    bucket.ok(*command, "B:the-films")
    assert bucket.ok("cat", _TEXT) == b"three"
    assert [version.action for version in _versions(bucket)] == ["upload"]
    assert list(bucket.service.store.names_from(bucket.id, "")) == ["text.txt"]
