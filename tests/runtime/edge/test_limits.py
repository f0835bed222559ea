"""How much one visitor may ask, of what size; and what of that reaches Plex as it comes."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from tests.runtime.edge.visits import (
    DOMAIN,
    SECURITY,
    SERVER_6,
    Answer,
    Visitor,
    connected,
    read,
    security,
)
from tests.runtime.lone_host import Host
from tests.runtime.upstream import Upstream

_QUESTION = f"GET /.well-known/acme-challenge/none HTTP/1.1\r\nHost: {DOMAIN}\r\n\r\n".encode()
_AT_ONCE = 1000
_A_SECOND = 100


def flood(on: Host, source: str, server: str, count: int) -> list[Answer]:
    """Questions that nginx answers itself, as fast as they can be sent, and what it answers."""
    found = []
    while count:
        some = min(count, 500)
        with connected(on, source, server) as (tls, answers):
            tls.sendall(_QUESTION * some)
            found += [read(answers) for _ in range(some)]
        count -= some
    return found


def test_a_flood_is_told_to_wait_and_nobody_else_is(lone: Host, visitor: Visitor) -> None:
    flooding = {"203.0.113.77": "203.0.113.79", "2001:db8:7::7": "2001:db8:9::1"}[visitor.address]
    lone_address(lone, flooding)

    began = time.monotonic()
    answers = flood(lone, flooding, visitor.server.strip("[]"), 3 * _AT_ONCE)
    meanwhile = _A_SECOND * (time.monotonic() - began + 1)

    statuses = Counter(answer.status for answer in answers)
    assert statuses.keys() == {404, 429}
    assert _AT_ONCE <= statuses[404] <= _AT_ONCE + meanwhile
    told = next(answer for answer in answers if answer.status == 429)
    assert security(told) == SECURITY
    assert "<center>nginx</center>" in told.body
    assert visitor.ask("/.well-known/acme-challenge/none").status == 404


def test_all_of_a_64_is_one_visitor(lone: Host) -> None:
    for address in ("2001:db8:a::1", "2001:db8:a::ffff:2", "2001:db8:a:1::1"):
        lone_address(lone, address)
    began = time.monotonic()
    first = flood(lone, "2001:db8:a::1", SERVER_6, 3 * _AT_ONCE)
    same = flood(lone, "2001:db8:a::ffff:2", SERVER_6, _AT_ONCE - 100)
    meanwhile = _A_SECOND * (time.monotonic() - began + 1)
    other = flood(lone, "2001:db8:a:1::1", SERVER_6, _AT_ONCE - 100)

    statuses = Counter(answer.status for answer in first + same)
    assert statuses.keys() == {404, 429}
    assert statuses[404] <= _AT_ONCE + meanwhile
    assert {answer.status for answer in other} == {404}


def lone_address(on: Host, address: str) -> None:
    length = 128 if ":" in address else 32
    on.run("ip", "address", "replace", f"{address}/{length}", "dev", "lo")


def test_long_addresses_and_headers_of_players_come_through(
    visitor: Visitor, opened: Upstream
) -> None:
    profile = "add-transcode-target(type=videoProfile)" * 180

    assert visitor.ask(f"/?X-Plex-Client-Profile-Extra={profile}").status == 200
    assert visitor.ask("/", f"-HX-Plex-Client-Profile-Extra: {profile}").status == 200


def test_a_poster_is_taken(visitor: Visitor, opened: Upstream, tmp_path: Path) -> None:
    poster = tmp_path / "poster"
    poster.write_bytes(bytes(19_000_000))

    assert visitor.ask("/upload", "--data-binary", f"@{poster}").body == "19000000"


def test_what_is_sent_reaches_plex_before_it_is_complete(lone: Host, opened: Upstream) -> None:
    with connected(lone) as (tls, answers):
        head = f"POST /upload HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: 12\r\n\r\n"
        tls.sendall(head.encode() + b"first\n")
        assert opened.began.wait(60)
        tls.sendall(b"other\n")
        assert read(answers).body == "12"
