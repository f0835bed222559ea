"""What is on every answer, those of nginx's own making above all."""

from __future__ import annotations

import pytest

from tests.runtime.edge.visits import DOMAIN, SECURITY, SERVER, Visitor, put, read, said, security
from tests.runtime.lone_host import Host
from tests.runtime.upstream import Upstream

_HOST = f"Host: {DOMAIN}"
_OWN = {
    "400, no host": (400, "GET / HTTP/1.1", ""),
    "400, a header too large": (400, "GET / HTTP/1.1", f"{_HOST}\r\nX: {'x' * 70_000}"),
    "404": (404, "GET /.well-known/acme-challenge/none HTTP/1.1", _HOST),
    "405": (405, "TRACE / HTTP/1.1", _HOST),
    "413": (413, "POST / HTTP/1.1", f"{_HOST}\r\nContent-Length: 21000000"),
    "414": (414, f"GET /{'x' * 17_000} HTTP/1.1", _HOST),
    "501": (501, "POST / HTTP/1.1", f"{_HOST}\r\nTransfer-Encoding: unknown"),
    "505": (505, "GET / HTTP/9.1", _HOST),
}


@pytest.mark.parametrize("state", ["open", "closed"])
@pytest.mark.parametrize("case", _OWN)
def test_nginxs_own_errors_have_the_headers_and_tell_no_version(
    case: str, state: str, lone: Host, upstream: Upstream
) -> None:
    put(lone, state)
    status, line, headers = _OWN[case]

    answer = said(lone, f"{line}\r\n{headers}\r\n\r\n".encode())

    assert answer.status == status
    assert security(answer) == SECURITY
    assert "content-security-policy-report-only" in answer.headers
    assert answer.headers["server"] == ["nginx"]
    assert "<center>nginx</center>" in answer.body
    assert upstream.met == []


def test_while_plex_is_down_the_headers_stay(lone: Host, visitor: Visitor) -> None:
    put(lone, "open")
    answer = visitor.ask("/identity")
    assert answer.status == 502
    assert security(answer) == SECURITY
    assert answer.headers["server"] == ["nginx"]


def test_plain_http_where_tls_is_spoken_is_told_so(lone: Host) -> None:
    with lone.connect(SERVER, 443) as plain, plain.makefile("rb") as answers:
        plain.sendall(f"GET / HTTP/1.1\r\n{_HOST}\r\n\r\n".encode())
        answer = read(answers)

    assert answer.status == 400
    assert security(answer) == SECURITY | {"strict-transport-security": []}


@pytest.mark.parametrize("path", ["/", "/.well-known/acme-challenge/none"])
def test_plain_http_has_them_too_but_for_hsts(
    path: str, visitor: Visitor, opened: Upstream
) -> None:
    answer = visitor.ask(path, scheme="http")

    assert answer.status in (301, 404)
    assert security(answer) == SECURITY | {"strict-transport-security": []}
    assert opened.met == []


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/missing", 404), ("/busy", 503), ("/strict", 200)]
)
def test_plexs_answers_have_them_once(
    path: str, status: int, visitor: Visitor, opened: Upstream
) -> None:
    answer = visitor.ask(path)

    assert answer.status == status
    assert security(answer) == SECURITY
    (policy,) = answer.headers["content-security-policy-report-only"]
    assert policy.startswith("default-src 'self'; ")
    # Until somebody has seen Plex Web under it.
    assert "content-security-policy" not in answer.headers
    # Plex's own answer, and not the page: it says 503 itself while it migrates its database.
    assert len(opened.met) == 1
    assert "retry-after" not in answer.headers
