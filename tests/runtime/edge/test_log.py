"""What nginx writes down: every request in one line of one format, and no token."""

from __future__ import annotations

import re

import pytest

from tests.runtime.edge.visits import (
    DOMAIN,
    SERVER,
    VISITOR,
    Visitor,
    await_that,
    connected,
    put,
    said,
)
from tests.runtime.lone_host import Host
from tests.runtime.upstream import Upstream

_SECRET = "sEcReTsEcReT-_1234567"
LINE = re.compile(
    r'[0-9a-f.:]+ - - \[[^]]+\] "[^"]*" \d{3} \d+ "[^"]*" "[^"]*" \S* \d+\.\d{3} [-0-9, :.]+'
)
_WITH_TOKENS = {
    "first": f"/library/all?X-Plex-Token={_SECRET}",
    "lower case": f"/library/all?type=1&x-plex-token={_SECRET}&sort=title",
    "two": f"/library/all?X-Plex-Token={_SECRET}&type=1&X-Plex-Token={_SECRET}",
    "another": f"/player/playback/playMedia?type=video&token={_SECRET}",
    "a claim": f"/myplex/claim?token=claim-{_SECRET}",
    "within an address": f"/photo/:/transcode?width=9&url=%2Fthumb%3FX-Plex-Token%3D{_SECRET}&height=9",
    "within one within one": f"/photo/:/transcode?url=a%253Fb%253Fx-plex-token%253d{_SECRET}",
}


def logged(on: Host, since: str) -> list[str]:
    """What nginx has said after a mark."""
    return on.journal("nginx").partition(since)[2].splitlines()


def await_lines(on: Host, since: str, text: str, count: int) -> list[str]:
    """Lines after a mark that have this text, once there are so many: nginx answers before it writes."""
    found: list[str] = []

    def are_there() -> bool:
        found[:] = [line for line in logged(on, since) if text in line]
        return len(found) >= count

    await_that(are_there)
    assert len(found) == count
    return found


@pytest.fixture
def mark(lone: Host, request: pytest.FixtureRequest) -> str:
    """A line of nginx's log, after which the test's own come."""
    words = f"mark-{abs(hash(request.node.nodeid))}"
    lone.ok("curl", "-sk", "--resolve", f"{DOMAIN}:443:{SERVER}", f"https://{DOMAIN}/", "-A", words)
    await_that(lambda: words in lone.journal("nginx"))
    return words


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("state", ["open", "closed", "down"])
@pytest.mark.parametrize("case", _WITH_TOKENS)
def test_a_token_is_not_written_down(
    case: str, state: str, version: str, mark: str, lone: Host, request: pytest.FixtureRequest
) -> None:
    put(lone, "closed" if state == "closed" else "open")
    if state == "open":
        request.getfixturevalue("upstream")
    visitor = Visitor(lone, VISITOR, SERVER)

    path = _WITH_TOKENS[case]
    answer = visitor.ask(path, version, "-H", f"Referer: https://{DOMAIN}{path}")

    assert answer.status == {"open": 200, "closed": 503, "down": 502}[state]
    lines = await_lines(lone, mark, path.partition("?")[0], 1)
    assert LINE.fullmatch(lines[0])
    assert VISITOR in lines[0]
    assert lines[0].count("...") == 2, "the request, and where it came from"
    assert _SECRET not in "".join(logged(lone, mark))


def test_nor_is_one_of_a_request_that_is_none(mark: str, lone: Host, closed: Upstream) -> None:
    for line in ("GET /?X-Plex-Token={} HTTP/9.1", "GET /?X-Plex-Token={}", "X-Plex-Token={} / ?"):
        with connected(lone) as (tls, answers):
            tls.sendall(f"{line.format(_SECRET)}\r\nHost: {DOMAIN}\r\n\r\n".encode())
            answers.read()

    await_lines(lone, mark, "X-Plex-Token=...", 3)
    assert _SECRET not in "".join(logged(lone, mark))


def test_nor_is_one_where_nobody_is_asked_for(mark: str, lone: Host) -> None:
    visitor = Visitor(lone, VISITOR, SERVER)
    for scheme in ("http", "https"):
        for host in (DOMAIN, "other.films.sandbox"):
            headers = ["--http1.1", f"-HHost: {host}"]
            visitor.run(f"/library?X-Plex-Token={_SECRET}", *headers, scheme=scheme)

    await_lines(lone, mark, "/library?X-Plex-Token=...", 4)
    assert _SECRET not in "".join(logged(lone, mark))


def test_a_line_keeps_its_format_whatever_a_visitor_says(
    mark: str, lone: Host, opened: Upstream
) -> None:
    for hostile in (b'" 200 1 "', b"\\", b"\x1b[31m", b"\xff\xfe", b"\t", "größe".encode()):
        request = b"GET /a?" + hostile.replace(b" ", b"+") + b" HTTP/1.1\r\nHost: "
        request += DOMAIN.encode() + b"\r\nUser-Agent: " + hostile + b"\r\nReferer: " + hostile
        said(lone, request + b"\r\n\r\n")

    for line in await_lines(lone, mark, VISITOR, 6):
        assert LINE.fullmatch(line), line
