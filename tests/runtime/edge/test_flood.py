"""A household that watches and scrolls, and somebody next to it who asks as fast as can be."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import BinaryIO

import pytest

from tests.runtime.edge.visits import DOMAIN, SERVER, VISITOR, Visitor, asking, connected, read
from tests.runtime.lone_host import Host
from tests.runtime.upstream import FILM, Upstream

pytestmark = pytest.mark.heavy

_FLOODER = "203.0.113.66"
_STREAMS = 4
_PICTURES = 200
_PAGES = 5
# What nginx answers itself, as fast as it can, and what Plex has to answer.
_QUESTIONS = ["/.well-known/acme-challenge/none", "/identity"]


def test_a_household_notices_nothing_of_a_flood(lone: Host, opened: Upstream) -> None:
    lone.run("ip", "address", "add", f"{_FLOODER}/32", "dev", "lo")
    over = threading.Event()
    answered: Counter[int] = Counter()

    def floods(path: str) -> None:
        question = f"GET {path} HTTP/1.1\r\nHost: {DOMAIN}\r\n\r\n".encode()
        while not over.is_set():
            with connected(lone, _FLOODER) as (tls, answers):
                tls.sendall(question * 200)
                for _ in range(200):
                    answered[read(answers).status] += 1

    def watches() -> list[float]:
        """How long each piece of a film took, of some 1 MB: a third of a second in 4K."""
        waits = []
        while not over.is_set():
            began = monotonic()
            with asking(lone, "/film", f"Range: bytes=0-{len(FILM) - 1}") as (_, answers):
                piece = read_bytes(answers)
            assert piece == FILM
            waits.append(monotonic() - began)
        return waits

    began = monotonic()
    with ThreadPoolExecutor() as people:
        flooding = [people.submit(floods, path) for path in 2 * _QUESTIONS]
        watching = [people.submit(watches) for _ in range(_STREAMS)]
        try:
            pages = [page(lone) for _ in range(_PAGES)]
        finally:
            over.set()
        waits = [wait for each in watching for wait in each.result()]
        for each in flooding:
            each.result()
    seconds = monotonic() - began

    assert pages == [Counter({"200": _PICTURES})] * _PAGES
    assert len(waits) >= 2 * _STREAMS
    assert max(waits) < 10, "players have more than that in store"
    assert set(answered) == {200, 404, 429}
    assert answered[429] > answered[200] + answered[404]
    # What it is given after the first thousand.
    assert answered[200] + answered[404] < 1000 + 100 * (seconds + 1)


def page(on: Host) -> Counter[str]:
    """A page of Plex Web: as many pictures at once as HTTP/2 and the limits of a browser let through."""
    visitor = Visitor(on, VISITOR, SERVER)
    pictures = f"/photo/[1-{_PICTURES}]"
    many = ["--parallel", "--parallel-immediate", "--parallel-max", str(_PICTURES)]
    done = visitor.run(pictures, *many, "-o", "/dev/null", "-w", "%{http_code}\n")
    assert done.returncode == 0, done.stderr
    return Counter(done.stdout.split())


def read_bytes(answers: BinaryIO) -> bytes:
    assert answers.readline().startswith(b"HTTP/1.1 206 ")
    length = 0
    while (line := answers.readline()) != b"\r\n":
        name, _, value = line.partition(b": ")
        length = int(value) if name.lower() == b"content-length" else length
    return answers.read(length)
