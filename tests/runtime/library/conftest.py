"""A host whose library is backed up, and the bucket that the backups go to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runtime.library.server import PORT, Bucket, Library, configure, hand_over
from tests.runtime.lone_host import Host, host


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("library")) as running:
        running.ok("useradd", "-r", "acme")
        configure(running)
        yield running


@pytest.fixture(scope="module")
def bucket(lone: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    made = Bucket(tmp_path_factory.mktemp("b2"))
    with lone.serving(made.door, PORT):
        yield made


@pytest.fixture
def new(lone: Host, bucket: Bucket) -> Iterator[Library]:
    """A new server, and an empty bucket."""
    bucket.delete()
    bucket.allow_all()
    hand_over(lone)
    made = Library(lone, bucket)
    made.new_server()
    yield made
    made.end()


@pytest.fixture
def library(new: Library) -> Library:
    """A server with a library in which one film was watched, and with a repository."""
    assert new.start_plex(), new.host.journal("plex-library")
    new.host.await_port("127.0.0.1", 32400)
    new.fill()
    new.watch(1)
    return new
