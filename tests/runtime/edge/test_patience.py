"""Who may take time, and who may not. nginx's limits are minutes, so that this takes more than one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import pytest

from tests.runtime.edge.visits import (
    DOMAIN,
    SECURITY,
    SERVER,
    VISITOR,
    Visitor,
    asking,
    connected,
    put,
    security,
)
from tests.runtime.lone_host import Host
from tests.runtime.upstream import LONG, Upstream

pytestmark = pytest.mark.heavy

# More than the minute that nginx gives by itself.
_LONG_ENOUGH = 70


def test_players_may_be_silent_and_nobody_else(lone: Host, opened: Upstream) -> None:
    passed = threading.Event()
    threading.Timer(_LONG_ENOUGH, passed.set).start()

    def pauses_a_film() -> int:
        with asking(lone, "/patient") as (_, answers):
            assert answers.readline().startswith(b"HTTP/1.1 200 ")
            passed.wait()
            while answers.readline() != b"\r\n":
                pass
            return len(answers.read(LONG))

    def waits_on_a_websocket() -> bytes:
        with asking(lone, "/:/websockets", "Connection: Upgrade", "Upgrade: websocket") as (
            tls,
            answers,
        ):
            assert answers.readline().startswith(b"HTTP/1.1 101 ")
            while answers.readline() != b"\r\n":
                pass
            passed.wait()
            tls.sendall(b"ping")
            return answers.read()

    def polls() -> bytes:
        with asking(lone, "/poll") as (_, answers):
            passed.wait()
            opened.goes_on.set()
            return answers.readline()

    def stops_in(text: str) -> float:
        """After how many seconds it is hung up on."""
        began = monotonic()
        with connected(lone) as (tls, answers):
            tls.settimeout(_LONG_ENOUGH)
            tls.sendall(text.encode())
            assert answers.read() == b""
        return monotonic() - began

    head = f"POST /upload HTTP/1.1\r\nHost: {DOMAIN}\r\n"
    with ThreadPoolExecutor() as visitors:
        film = visitors.submit(pauses_a_film)
        websocket = visitors.submit(waits_on_a_websocket)
        poll = visitors.submit(polls)
        in_its_head = visitors.submit(stops_in, head)
        in_its_body = visitors.submit(stops_in, f"{head}Content-Length: 20\r\n\r\nfirst\n")

    assert film.result() == LONG
    assert websocket.result() == b"<ping>"
    assert poll.result().startswith(b"HTTP/1.1 200 ")
    assert 14 < in_its_head.result() < 25
    assert 29 < in_its_body.result() < 45


@contextmanager
def nobody_takes_calls(on: Host) -> Iterator[None]:
    """Something on Plex's port that hangs before it takes a connection, and has as many waiting as can."""

    def calling() -> list[socket.socket]:
        calls = []
        for _ in range(4):
            call = socket.socket()
            call.setblocking(False)
            call.connect_ex(("127.0.0.1", 32400))
            calls.append(call)
        return calls

    hung = on.inside(lambda: socket.create_server(("127.0.0.1", 32400), backlog=0))
    calls = on.inside(calling)
    try:
        yield
    finally:
        for each in (hung, *calls):
            each.close()


def test_a_plex_that_takes_no_connection_is_told_of_soon(lone: Host) -> None:
    put(lone, "open")
    began = monotonic()
    with nobody_takes_calls(lone):
        answer = Visitor(lone, VISITOR, SERVER).ask("/identity")

    assert answer.status == 504
    assert 9 < monotonic() - began < 20
    assert security(answer) == SECURITY
    assert answer.headers["server"] == ["nginx"]
