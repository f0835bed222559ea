"""What visitors meet: nginx.service and nginx.conf as the configuration has them, under real systemd.

The certificate and what stands behind are a test's; nothing of the configuration is adapted.
"""

from __future__ import annotations

import json
import re
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from tests import stack
from tests.runtime.lone_host import Host, host, skip_reason
from tests.runtime.upstream import FILM, Upstream

pytestmark = pytest.mark.skipif(skip_reason() is not None, reason=skip_reason() or "")

_DOMAIN = stack.settings_of().domain
_SERVER = "203.0.113.11"
_SERVER_6 = "2001:db8:1::1"
_VISITOR = "203.0.113.77"
_VISITOR_6 = "2001:db8:7::7"
_OPEN = "run/plex-gate/open"
_SECURITY = {
    "strict-transport-security": ["max-age=31536000; includeSubDomains; preload"],
    "referrer-policy": ["origin-when-cross-origin"],
    "x-frame-options": ["DENY"],
    "x-content-type-options": ["nosniff"],
    "x-xss-protection": ["1; mode=block"],
}
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


# Prints those of the ciphers with which a handshake succeeds.
_HANDSHAKES = f"""
for cipher; do
  openssl s_client -connect {_SERVER}:443 -servername {_DOMAIN} -tls1_2 -cipher "$cipher:@SECLEVEL=0" \\
    </dev/null >/dev/null 2>&1 && echo "$cipher" || :
done
"""


@dataclass(frozen=True)
class Answer:
    """A response; the headers' names are in lower case."""

    status: int
    version: str
    headers: dict[str, list[str]]
    body: str

    def told(self) -> dict[str, list[str]]:
        """The headers that reached what stands behind, by name, with - for _."""
        found: dict[str, list[str]] = {}
        for name, value in json.loads(self.body):
            found.setdefault(name.replace("_", "-"), []).append(value)
        return found


class Visitor:
    """Somebody elsewhere, with curl."""

    def __init__(self, host: Host, address: str, server: str) -> None:
        self.host = host
        self._to = ["--interface", address, "--resolve", f"*:443:{server}"]
        self._to += ["--resolve", f"*:80:{server}", "--insecure", "--path-as-is"]

    def command(self, *arguments: str, path: str, name: str, scheme: str) -> list[str]:
        curl = ["curl", "-sS", *self._to, *arguments, f"{scheme}://{name}{path}"]
        return ["nsenter", f"--target={self.host.pid}", "--net", *curl]

    def run(
        self, path: str, *arguments: str, name: str = _DOMAIN, scheme: str = "https"
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, path=path, name=name, scheme=scheme),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def ask(self, path: str, *arguments: str, scheme: str = "https") -> Answer:
        ending = '\n%{stderr}{"status":%{http_code},"version":"%{http_version}","headers":%{header_json}}'
        done = self.run(path, "-w", ending, *arguments, scheme=scheme)
        assert done.returncode == 0, done.stderr
        return Answer(**json.loads(done.stderr), body=done.stdout[:-1])


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("nginx")
    addresses = (f"{_SERVER}/32", f"{_VISITOR}/32", f"{_SERVER_6}/128", f"{_VISITOR_6}/128")
    with host(folder, addresses) as running:
        certificate(running, folder)
        built = running.build({"nginx": 'config.systemd.units."nginx.service".text'})
        running.unit("nginx.service", built["nginx"])
        running.ok("systemctl", "start", "nginx.service")
        running.await_port(_SERVER, 443)
        yield running


def certificate(on: Host, folder: Path) -> None:
    """As ACME leaves it, but our own."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", *key, "-subj", f"/CN={_DOMAIN}", "-out", "chain.pem"],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    for name, source in {"key": "key", "chain": "chain", "fullchain": "chain"}.items():
        text = (folder / f"{source}.pem").read_text()
        on.write(f"/var/lib/acme/{_DOMAIN}/{name}.pem", text, 0o640)
    on.ok("chgrp", "-R", "nginx", "/var/lib/acme")


@pytest.fixture
def upstream(lone: Host) -> Iterator[Upstream]:
    """What stands behind; nobody has come yet."""
    made = Upstream()
    with made.serving(lone):
        yield made


@pytest.fixture
def visitor(lone: Host) -> Visitor:
    return Visitor(lone, _VISITOR, _SERVER)


@pytest.fixture
def closed(lone: Host, upstream: Upstream) -> Upstream:
    (lone.root / _OPEN).unlink(missing_ok=True)
    return upstream


@pytest.fixture
def opened(lone: Host, upstream: Upstream) -> Upstream:
    lone.write(_OPEN, "")
    return upstream


def security(answer: Answer) -> dict[str, list[str]]:
    return {name: answer.headers.get(name, []) for name in _SECURITY}


@pytest.mark.parametrize(
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
    ],
)
def test_closed_is_a_page_and_nothing_else(path: str, visitor: Visitor, closed: Upstream) -> None:
    answer = visitor.ask(path)

    assert answer.status == 503
    assert answer.body.startswith("This Plex server has not been claimed yet, so it is closed.\n")
    assert f"\n  ssh -L 32400:127.0.0.1:32400 alice@{_DOMAIN}\n" in answer.body
    assert answer.headers["retry-after"] == ["30"]
    assert answer.headers["content-type"] == ["text/plain"]
    assert security(answer) == _SECURITY
    assert closed.met == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["-X", "POST", "--data", "token=1"],
        ["-X", "PUT"],
        ["-X", "DELETE"],
        ["-X", "OPTIONS"],
        ["--head"],
        ["--http1.0"],
        ["--http1.1", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket"],
        ["-H", "X-Forwarded-For: 127.0.0.1", "-H", "X-Real-IP: 127.0.0.1"],
        ["-H", "X-Plex-Token: stolen"],
    ],
    ids=" ".join,
)
def test_closed_is_closed_to_everything(
    arguments: list[str], visitor: Visitor, closed: Upstream
) -> None:
    assert visitor.ask("/myplex/claim", *arguments).status == 503
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
    (lone.root / _OPEN).unlink()
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
    assert told["host"] == [_DOMAIN]


@pytest.mark.parametrize(
    ("address", "server"), [(_VISITOR, _SERVER), (_VISITOR_6, f"[{_SERVER_6}]")], ids=["4", "6"]
)
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_nobody_looks_like_somebody_else(
    version: str, address: str, server: str, lone: Host, opened: Upstream
) -> None:
    forged = {
        "X-Forwarded-For": "127.0.0.1",
        "X-Real-IP": "127.0.0.1",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "127.0.0.1",
        "x-forwarded-for": "10.0.0.1, 127.0.0.1",
        "Forwarded": "for=127.0.0.1",
        "X_Forwarded_For": "127.0.0.1",
        "X_Real_IP": "127.0.0.1",
    }
    arguments = [f"-H{name}: {value}" for name, value in forged.items()]
    told = Visitor(lone, address, server).ask("/", version, *arguments).told()

    assert told["x-forwarded-for"] == [address]
    assert told["x-real-ip"] == [address]
    assert told["x-forwarded-proto"] == ["https"]
    assert told["x-forwarded-host"] == [_DOMAIN]
    assert "forwarded" not in told


@contextmanager
def asking(on: Host, path: str, *headers: str) -> Iterator[tuple[ssl.SSLSocket, BinaryIO]]:
    """A request on a socket of its own, and the answer, of which nothing has been read."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        on.connect(_SERVER, 443, _VISITOR) as plain,
        context.wrap_socket(plain, server_hostname=_DOMAIN) as tls,
        tls.makefile("rb") as answers,
    ):
        lines = [f"GET {path} HTTP/1.1", f"Host: {_DOMAIN}", *headers, "", ""]
        tls.sendall("\r\n".join(lines).encode())
        yield tls, answers


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


def test_bytes_are_passed_on_as_they_come(visitor: Visitor, opened: Upstream) -> None:
    command = visitor.command("-N", path="/stream", name=_DOMAIN, scheme="https")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        try:
            assert curl.stdout.readline() == "first\n"
        finally:
            opened.goes_on.set()
        assert curl.stdout.read() == "other\n"


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/missing", 404), ("/busy", 503)])
def test_security_headers_are_on_every_answer(
    path: str, status: int, visitor: Visitor, opened: Upstream
) -> None:
    answer = visitor.ask(path)
    assert answer.status == status
    assert security(answer) == _SECURITY
    # Plex's own answer, and not the page: it says 503 itself while it migrates its database.
    assert answer.told()["host"] == [_DOMAIN]


def test_plain_http_goes_to_https(visitor: Visitor, opened: Upstream) -> None:
    answer = visitor.ask("/library/all?type=1", scheme="http")
    assert answer.status == 301
    assert answer.headers["location"] == [f"https://{_DOMAIN}/library/all?type=1"]
    assert opened.met == []


@pytest.mark.parametrize("name", ["other.films.sandbox", "films.sandbox", _SERVER])
def test_another_name_is_refused(name: str, visitor: Visitor, opened: Upstream) -> None:
    handshake = visitor.run("/identity", name=name)
    assert handshake.returncode == 35  # no TLS
    empty = visitor.run("/identity", name=name, scheme="http")
    assert empty.returncode == 52  # not one byte
    behind_ours = visitor.run("/identity", "--http1.1", "-H", f"Host: {name}")
    assert behind_ours.returncode == 52
    assert opened.met == []


def test_old_tls_is_refused(visitor: Visitor, opened: Upstream) -> None:
    assert visitor.run("/identity", "--tls-max", "1.1").returncode == 35
    assert opened.met == []


def test_of_tls_1_2_there_is_aes256_with_forward_secrecy_alone(lone: Host) -> None:
    every = lone.ok("openssl", "ciphers", "-tls1_2", "-s", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    taken = set(lone.ok("sh", "-c", _HANDSHAKES, "sh", *every.strip().split(":")).split())

    assert "ECDHE-ECDSA-AES256-GCM-SHA384" in taken
    assert {name for name in taken if not re.match(r"(EC)?DHE-.*AES256", name)} == set()


def test_while_plex_is_down_the_headers_stay(lone: Host, visitor: Visitor) -> None:
    lone.write(_OPEN, "")
    answer = visitor.ask("/identity")
    assert answer.status == 502
    assert security(answer) == _SECURITY
