"""Whether what an application key may do is enough."""

from __future__ import annotations

import pytest

from fleet.backblaze import READ, WRITE, Key, lacks

READS = ("listBuckets", "listFiles", "readFiles")


@pytest.mark.parametrize(
    ("key", "needs", "folder", "fault"),
    [
        (Key(READS, ("films",), ""), READ, "", None),
        (Key(READS, None, ""), READ, "", None),
        (Key(WRITE, ("films",), "one/"), WRITE, "one/", None),
        (Key(READS, ("other",), ""), READ, "", "this key is for other, not for films"),
        (Key(READS, (), ""), READ, "", "this key is for a bucket that is gone, not for films"),
        (Key(READS, ("films",), ""), WRITE, "", "it lacks writeFiles, deleteFiles"),
        (Key((), ("films",), ""), READ, "", "may do nothing; it lacks listFiles, readFiles"),
        (Key(READS, ("films",), "a/"), READ, "", "for names that begin with a/ only"),
        (Key(WRITE, ("films",), "one/"), WRITE, "two/", "for names that begin with one/ only"),
    ],
)
def test_what_a_key_lacks(key: Key, needs: tuple[str, ...], folder: str, fault: str | None) -> None:
    found = lacks(key, "films", needs, folder)
    assert found is None if fault is None else fault in str(found)
