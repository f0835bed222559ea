"""A host for each module of tests, what stands there in Plex's place, and who visits it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runtime.edge.visits import WAYS, Visitor, nginx, put
from tests.runtime.lone_host import Host
from tests.runtime.upstream import Upstream


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with nginx(tmp_path_factory.mktemp("nginx")) as running:
        yield running


@pytest.fixture
def upstream(lone: Host) -> Iterator[Upstream]:
    """What stands behind; nobody has come yet."""
    made = Upstream()
    with made.serving(lone):
        yield made


@pytest.fixture(params=WAYS)
def visitor(request: pytest.FixtureRequest, lone: Host) -> Visitor:
    return Visitor(lone, *WAYS[request.param])


@pytest.fixture
def closed(lone: Host, upstream: Upstream) -> Upstream:
    put(lone, "closed")
    return upstream


@pytest.fixture
def opened(lone: Host, upstream: Upstream) -> Upstream:
    put(lone, "open")
    return upstream
