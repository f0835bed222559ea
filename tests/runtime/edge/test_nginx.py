"""What visitors meet: nginx.service and nginx.conf as the configuration has them, under real systemd.

The certificate and what stands behind are a test's; nothing of the configuration is adapted.
"""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.runtime.edge.visits import (
    DOMAIN,
    SECURITY,
    SERVER,
    Visitor,
    asking,
    put,
    security,
)
from tests.runtime.lone_host import Host
from tests.runtime.upstream import FILM, Upstream

_PLEX = (
    "Client-Identifier",
    "Device",
    "Device-Name",
    "Device-Vendor",
    "Model",
    "Nocache",
    "Platform",
    "Platform-Version",
    "Product",
    "Provides",
    "Token",
    "Version",
)


_FORGED = {
    "X-Forwarded-For": "127.0.0.1",
    "X-Real-IP": "127.0.0.1",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "127.0.0.1",
    "x-forwarded-for": "10.0.0.1, 127.0.0.1",
    "Forwarded": "for=127.0.0.1;host=127.0.0.1;proto=http",
    "X_Forwarded_For": "127.0.0.1",
    "X_Real_IP": "127.0.0.1",
}


# Prints those of the ciphers with which a handshake succeeds.
_HANDSHAKES = f"""
for cipher; do
  openssl s_client -connect {SERVER}:443 -servername {DOMAIN} -tls1_2 -cipher "$cipher:@SECLEVEL=0" \\
    </dev/null >/dev/null 2>&1 && echo "$cipher" || :
done
"""


_PATHS = pytest.mark.parametrize(
    "path",
    [
        "/",
        "/identity",
        "/web/index.html",
        "/library/all?X-Plex-Token=stolen",
        "/myplex/claim?token=claim-abcdefghij0123456789",
        "/.well-known/other",
        "//identity",
        "/a/../identity",
        "/a/%2e%2e/identity",
        "/:/prefs",
        "/closed.html",
        "//closed.html",
        "/%2fclosed.html",
        "/film.png",
    ],
)


@_PATHS
def test_closed_is_a_page_and_nothing_else(path: str, visitor: Visitor, closed: Upstream) -> None:
    answer = visitor.ask(path)

    assert answer.status == 503
    assert "<title>This Plex server has not been claimed yet</title>" in answer.body
    assert f"<code>ssh -L 32400:127.0.0.1:32400 alice@{DOMAIN}</code>" in answer.body
    assert answer.headers["retry-after"] == ["30"]
    assert answer.headers["cache-control"] == ["no-store"]
    assert answer.headers["content-type"] == ["text/html"]
    assert security(answer) == SECURITY
    assert closed.met == []


@_PATHS
def test_open_is_plex_and_nothing_else(path: str, visitor: Visitor, opened: Upstream) -> None:
    answer = visitor.ask(path)

    assert answer.status == 200
    assert answer.told()["host"] == [DOMAIN]
    assert len(opened.met) == 1


def test_the_page_needs_nothing_but_itself(visitor: Visitor, closed: Upstream) -> None:
    answer = visitor.ask("/")

    (policy,) = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")
    # No script, and nothing that a browser would fetch.
    assert not re.search(r"<script|<link|<img|\b(src|on\w+)=|@import|url\(", answer.body)
    links = re.findall(r'href="([^"]*)"', answer.body)
    assert links == ["http://127.0.0.1:32400/web", "https://www.plex.tv/claim"]
    assert "prefers-color-scheme: dark" in answer.body


@pytest.mark.parametrize(
    "arguments",
    [
        ["-X", "POST", "--data", "token=1"],
        ["-X", "PATCH", "--data", "token=1"],
        ["-X", "NEW"],
        ["-H", "Range: bytes=0-9"],
        ["-H", "If-Modified-Since: Wed, 01 Jan 2098 00:00:00 GMT"],
        ["-H", "Expect: 100-continue", "--data", "token=1", "--http1.1"],
        ["-X", "PUT"],
        ["-X", "DELETE"],
        ["-X", "OPTIONS"],
        ["--head"],
        ["--http1.0"],
        ["--http1.1", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket"],
        [f"-H{name}: {value}" for name, value in _FORGED.items()],
        ["-H", "X-Plex-Token: stolen"],
    ],
    ids=" ".join,
)
def test_closed_is_closed_to_everything(
    arguments: list[str], visitor: Visitor, closed: Upstream
) -> None:
    answer = visitor.ask("/myplex/claim", *arguments)

    assert answer.status == 503
    assert answer.headers["retry-after"] == ["30"]
    assert security(answer) == SECURITY
    assert "not been claimed yet" in answer.body or "--head" in arguments
    assert closed.met == []


def test_certificates_can_be_ordered_while_it_is_closed(
    lone: Host, visitor: Visitor, closed: Upstream
) -> None:
    lone.write("/var/lib/acme/acme-challenge/.well-known/acme-challenge/token", "proof")
    for scheme in ("http", "https"):
        assert visitor.ask("/.well-known/acme-challenge/token", scheme=scheme).body == "proof"
        assert visitor.ask("/.well-known/acme-challenge/../../x", scheme=scheme).status >= 300
    assert closed.met == []


def test_it_closes_with_the_next_request(lone: Host, visitor: Visitor, opened: Upstream) -> None:
    assert visitor.ask("/identity").status == 200
    put(lone, "closed")
    assert visitor.ask("/identity").status == 503
    assert opened.met == ["/identity"]


def test_plexs_headers_arrive(visitor: Visitor, opened: Upstream) -> None:
    sent = {f"X-Plex-{name}": f"the {name}" for name in _PLEX}
    answer = visitor.ask("/", *(f"-H{name}: {value}" for name, value in sent.items()))

    assert answer.status == 200
    assert answer.version == "2"
    told = answer.told()
    for name, value in sent.items():
        assert told[name.lower()] == [value]
    assert told["host"] == [DOMAIN]


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_nobody_looks_like_somebody_else(version: str, visitor: Visitor, opened: Upstream) -> None:
    arguments = [f"-H{name}: {value}" for name, value in _FORGED.items()]
    told = visitor.ask("/", version, *arguments).told()

    assert told["x-forwarded-for"] == [visitor.address]
    assert told["x-real-ip"] == [visitor.address]
    assert told["x-forwarded-proto"] == ["https"]
    assert told["x-forwarded-host"] == [DOMAIN]
    assert "forwarded" not in told


def test_websockets_are_passed_on(lone: Host, opened: Upstream) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket")
    with asking(lone, "/:/websockets", *upgrade) as (tls, answers):
        assert answers.readline().startswith(b"HTTP/1.1 101 ")
        while answers.readline() != b"\r\n":
            pass
        tls.sendall(b"ping")
        assert answers.read() == b"<ping>"


def test_a_visitor_who_pauses_holds_up_plex_and_fills_no_disk(lone: Host, opened: Upstream) -> None:
    with asking(lone, "/long") as (_, answers):
        assert answers.readline().startswith(b"HTTP/1.1 200 ")
        assert opened.ended.wait(20)
    assert opened.held_up.is_set()


def test_a_range_is_answered_with_a_range(visitor: Visitor, opened: Upstream) -> None:
    answer = visitor.ask("/film", "-r", "1000-1019", "-o", "/dev/null")
    assert answer.status == 206
    assert answer.headers["content-range"] == [f"bytes 1000-1019/{len(FILM)}"]
    assert answer.headers["content-length"] == ["20"]


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_bytes_are_passed_on_as_they_come(version: str, visitor: Visitor, opened: Upstream) -> None:
    command = visitor.command("-N", version, path="/stream", name=DOMAIN, scheme="https")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        try:
            assert curl.stdout.readline() == "first\n"
        finally:
            opened.goes_on.set()
        assert curl.stdout.read() == "other\n"


def test_plain_http_goes_to_https(visitor: Visitor, opened: Upstream) -> None:
    answer = visitor.ask("/library/all?type=1", scheme="http")
    assert answer.status == 301
    assert answer.headers["location"] == [f"https://{DOMAIN}/library/all?type=1"]
    assert opened.met == []


@pytest.mark.parametrize("state", ["open", "closed"])
@pytest.mark.parametrize("name", ["other.films.sandbox", "films.sandbox", "localhost", "address"])
def test_another_name_is_refused(
    name: str, state: str, visitor: Visitor, upstream: Upstream
) -> None:
    put(visitor.host, state)
    name = visitor.server if name == "address" else name
    forged = [f"-H{header}: {DOMAIN}" for header in ("X-Forwarded-Host", "Forwarded")]
    for headers in ([], forged):
        handshake = visitor.run("/identity", *headers, name=name)
        assert handshake.returncode == 35  # no TLS
        plain = visitor.run("/identity", *headers, name=name, scheme="http")
        assert plain.returncode == 56  # not one byte, and a reset
        behind_ours = visitor.run("/identity", "--http1.1", f"-HHost: {name}", *headers)
        assert behind_ours.returncode == 56
        behind_ours = visitor.run("/identity", "--http2", f"-HHost: {name}", *headers)
        assert "421 Misdirected Request" in behind_ours.stdout
    assert upstream.met == []


def test_our_name_behind_another_gets_nothing_either(visitor: Visitor, opened: Upstream) -> None:
    behind = visitor.run("/identity", f"-HHost: {DOMAIN}", name=f"other.{DOMAIN}")
    assert behind.returncode == 35
    assert opened.met == []


def test_old_tls_is_refused(visitor: Visitor, opened: Upstream) -> None:
    able = ("--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0")
    done = visitor.run("/identity", "--tls-max", "1.1", *able)
    assert done.returncode == 35
    assert "alert protocol version" in done.stderr
    assert opened.met == []


def test_of_tls_1_2_there_is_aes256_with_forward_secrecy_alone(lone: Host) -> None:
    every = lone.ok("openssl", "ciphers", "-tls1_2", "-s", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    taken = set(lone.ok("sh", "-c", _HANDSHAKES, "sh", *every.strip().split(":")).split())

    assert "ECDHE-ECDSA-AES256-GCM-SHA384" in taken
    assert {name for name in taken if not re.match(r"(EC)?DHE-.*AES256", name)} == set()
