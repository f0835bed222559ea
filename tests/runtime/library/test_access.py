"""What opens the repository, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.library.server import HOME, PASSWORD, START_EMPTY, Library, configure, hand_over

pytestmark = pytest.mark.heavy


def test_what_opens_nothing_begins_nothing(library: Library) -> None:
    library.backup()
    library.new_server()
    wrong_key = "K005" + "x" * 27
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"backupApplicationKey": wrong_key}, "Backblaze does not take the key"),
        ({"backupKeyId": "0005a1b2c3d4e5f000000000f"}, "Backblaze does not take the key"),
        ({"password": "another"}, "was made with another password than this stack's"),
    )
    for given, words in wrong:
        hand_over(library.host, **given)

        assert not library.start_plex(), words
        assert library.state() == ("failed", "failed")
        assert words in library.said()
        assert library.said().endswith(START_EMPTY)
        assert not library.exists(HOME)

    hand_over(library.host)
    assert library.start_plex()
    assert library.watched() == "1"


def test_another_bucket_than_the_keys_is_told(library: Library) -> None:
    library.backup()
    library.new_server()
    configure(library.host, backupBucket="others-backups")
    try:
        assert not library.start_plex()
        assert library.state() == ("failed", "failed")
        assert "the key of the backups is not for the bucket others-backups" in library.said()
    finally:
        configure(library.host)


def test_what_is_no_repository_is_left_alone(new: Library) -> None:
    new.bucket.put("prod/holidays.jpg", b"a beach")

    assert not new.start_plex()
    assert new.state() == ("failed", "failed")
    assert "is not empty, but is no repository of backups" in new.said()
    assert new.bucket.names() == ["prod/holidays.jpg"]


def test_a_password_that_was_kept_opens_the_repository(library: Library) -> None:
    library.backup()
    library.new_server()
    hand_over(library.host, password="of the new stack")
    assert not library.start_plex()

    wrong = library.run("password", stdin="neither\n")
    assert wrong.returncode == 78
    assert wrong.stderr == "plex-library: that is not its password either\n"

    library.ok("password", stdin=f"{PASSWORD}\n")
    library.await_that(library.plex_runs)
    assert library.watched() == "1"


def test_a_new_password_takes_the_place_of_the_old_one(library: Library) -> None:
    library.backup()
    hand_over(library.host, password="new")
    library.ok("password", stdin=f"{PASSWORD}\n")
    library.backup()

    library.ok("sole-password")

    assert len(library.ok("list").splitlines()) == 3
    hand_over(library.host)
    refused = library.run("list")
    assert refused.returncode == 78
    assert "was made with another password than this stack's" in refused.stderr


def test_a_password_that_opens_nothing_takes_none_away(library: Library) -> None:
    library.backup()
    hand_over(library.host, password="neither")

    assert library.run("sole-password").returncode == 78

    hand_over(library.host)
    assert len(library.ok("list").splitlines()) == 2
