"""Requests that nobody would send: nginx answers each, stays as large as it was, and its log stays a log.

By HTTP/1.0 and 1.1, well-formed or not, one after the other on a connection; and by HTTP/2, frame by frame.
"""

from __future__ import annotations

import re
import secrets
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.runtime.edge.test_log import LINE, logged
from tests.runtime.edge.visits import DOMAIN, SERVER, VISITOR, Visitor, put
from tests.runtime.lone_host import Host

_QUICK = 100
_LONG = 2500
# As docs/edge.md has it. By 501 and 505 nginx says that it does not know what was asked for.
_OWN = {100, 200, 400, 404, 405, 408, 411, 412, 413, 414, 415, 416, 417, 421, 429, 501, 505}
# Another name gets 444, which is no answer. Who has hung up before theirs, 499; who asked for nothing, 000.
_GONE = {0, 444, 499}
_GREW = 8 << 20

# --- what is sent


def words(text: str) -> list[bytes]:
    return text.encode().split()


_BYTES = st.binary(max_size=200)
_TOKENS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1
).map(str.encode)
_METHODS = words("GET HEAD POST PUT DELETE OPTIONS PATCH PROPFIND")
_ODD_METHODS = words("PRI get CONNECT TRACE G\xc9T")
_PATHS = words(
    "/ /library/all /photo/:/transcode?url=%2Fa&X-Plex-Token=secret /.well-known/acme-challenge/x"
)
_PARTS = st.sampled_from(
    [
        *words("/ // .. . %2e%2e %00 % %zz ? # * closed.html library http://x/ \\"),
        b"\x7f\xff",
        b"a" * 9000,
    ]
)
_ODD_PATHS = st.lists(_PARTS | _BYTES, max_size=6).map(b"".join)
_VERSIONS = words("HTTP/1.1 HTTP/1.1 HTTP/1.1 HTTP/1.0")
_ODD_VERSIONS = [*words("HTTP/2.0 HTTP/0.9 HTTP/1.10 HTTP/9 HTTP/9.1 http/1.1"), b""]
_NAMES = words(
    "Content-Length Transfer-Encoding Connection Upgrade Expect Range If-Range X-Forwarded-For X-Real-IP"
    " Forwarded Cookie User-Agent Referer TE Trailer Accept-Encoding HTTP2-Settings X_Underscore Host"
)
_VALUES = [
    *words(
        "chunked identity 0 5 -1 +5 99999999999999999999 close keep-alive upgrade websocket h2c 100-continue"
    ),
    *words(
        "bytes=0- bytes=-1 bytes=5-1,0-0,0-0 gzip,chunked chunked,chunked trailers 5,5 token=secret"
    ),
    *(b"bytes=" + b"0-0," * 500, b'"', b"\x00", b"a\rb", b"x" * 9000, DOMAIN.encode()),
]
_HEADERS = st.lists(
    st.tuples(st.sampled_from(_NAMES) | _TOKENS, st.sampled_from(_VALUES) | _BYTES), max_size=5
)
_CHUNKED = [
    *(b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n"),
    *(b"-1\r\n", b"g\r\n", b"F" * 16 + b"\r\n", b"5\r\nhello", b"0x5\r\nhello\r\n0\r\n\r\n"),
]


def mostly(sane: list[bytes], odd: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """What is as it should be, and now and then is not: or no request would get anywhere."""
    return st.integers(0, 9).flatmap(lambda number: odd if number == 9 else st.sampled_from(sane))


@st.composite
def _requests(draw: st.DrawFn) -> bytes:
    """A request: with some headers, with a body of the length that it says or says wrongly, or none."""
    method = draw(mostly(_METHODS, st.sampled_from(_ODD_METHODS) | _TOKENS))
    first = b" ".join(
        [
            method,
            draw(mostly(_PATHS, _ODD_PATHS)),
            draw(mostly(_VERSIONS, st.sampled_from(_ODD_VERSIONS))),
        ]
    )
    body = draw(st.just(b"") | st.sampled_from(_CHUNKED) | _BYTES)
    headers = [] if draw(st.integers(0, 9)) == 9 else [(b"Host", DOMAIN.encode())]
    if body in _CHUNKED:
        headers.append((b"Transfer-Encoding", b"chunked"))
    elif body:
        headers.append((b"Content-Length", str(len(body)).encode()))
    if draw(st.booleans()):
        headers += draw(_HEADERS)
    end = draw(mostly([b"\r\n"], st.sampled_from([b"\n", b"\r", b"\r\n ", b"\r\r\n"])))
    lines = [name + b": " + value for name, value in headers]
    return end.join([first, *lines, b"", b""]) + body


_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# Blocks of headers that HPACK's static table spells: one for a whole request, and pieces of others.
_ASKS = b"\x82\x84\x87\x01" + bytes([len(DOMAIN)]) + DOMAIN.encode()
_BLOCKS = st.sampled_from(
    [
        *(_ASKS, b"\x82\x84\x87", b"\x83\x85\x86", b"\x82\x82\x82", b"\x40\x01a\x01b"),
        *(b"\x3f\xff\xff\xff\xff\x0f", b"\x20", b"\xff" * 20, b"\x00\x00\x00"),
    ]
)


@st.composite
def _frames(draw: st.DrawFn) -> bytes:
    """Some frames of HTTP/2: of each kind, with any flags, and now and then with a wrong length."""
    sent = bytes(3) + b"\x04" + bytes(5)
    for stream in range(1, 2 * draw(st.integers(1, 12)), 2):
        kind, flags, payload = 1, 5, _ASKS
        if draw(st.booleans()):
            kind = draw(st.integers(0, 10))
            flags = draw(st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x25, 0xFF]))
            stream = draw(st.sampled_from([0, 1, stream, 2, 2**31 - 1]))
            payload = draw(st.lists(_BLOCKS | _BYTES, max_size=3).map(b"".join))
        length = draw(st.integers(0, 2**24 - 1)) if draw(st.integers(0, 9)) == 9 else len(payload)
        head = struct.pack(">I", length)[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
        sent += head + payload
    return sent


_CONVERSATIONS = st.one_of(
    st.lists(_requests(), min_size=1, max_size=4).map(lambda each: (False, b"".join(each))),
    _frames().map(lambda frames: (True, _PREFACE + frames)),
    _frames().map(lambda frames: (False, _PREFACE + frames)),
    st.binary(max_size=400).map(lambda noise: (False, noise)),
)

# --- what stands behind


@dataclass
class Patient:
    """In Plex's place: it takes all that nginx makes of it, to its end, and always says 200."""

    met: Counter[str] = field(default_factory=Counter)

    def serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection, connection.makefile("rb") as asked:
            connection.settimeout(20)
            first = asked.readline(1 << 20)
            headers: dict[bytes, bytes] = {}
            while (line := asked.readline(1 << 20)) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            self.met[first.partition(b" ")[0].decode("latin-1")] += 1
            if headers.get(b"transfer-encoding") == b"chunked":
                while size := int(asked.readline(), 16):
                    asked.read(size + 2)
            else:
                asked.read(int(headers.get(b"content-length", b"0")))
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
            )

    @contextmanager
    def serving(self, on: Host) -> Iterator[None]:
        listener = on.listener(32400)

        def takes() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=takes)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()


# --- the conversations


def speak(on: Host, two: bool, sent: bytes) -> list[int]:
    """Say all of it on one connection, and hear what comes at once: the statuses of answers by HTTP/1."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if two:
        context.set_alpn_protocols(["h2"])
    with (
        on.connect(SERVER, 443) as plain,
        context.wrap_socket(plain, server_hostname=DOMAIN) as tls,
    ):
        tls.settimeout(0.05)
        answer = b""
        # Most of it is no whole request, and is waited for in vain.
        with suppress(ConnectionError, ssl.SSLError, TimeoutError):
            tls.sendall(sent)
            while some := tls.recv(1 << 16):
                answer += some
    return [int(each) for each in re.findall(rb"^HTTP/1\.1 (\d{3}) ", answer, re.MULTILINE)]


def workers(on: Host) -> dict[str, int]:
    """nginx's processes, and how large each is."""
    shown = on.ok("ps", "-o", "pid=,rss=", "-C", "nginx")
    return {pid: int(size) << 10 for pid, size in (line.split() for line in shown.splitlines())}


def converse(on: Host, conversations: int) -> Counter[int]:
    """Have many conversations; the statuses that nginx has written down."""
    put(on, "open")
    patient = Patient()
    mark = f"mark-{secrets.token_hex(8)}"

    def have(many: int) -> None:
        @settings(
            max_examples=many,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(_CONVERSATIONS)
        def one(conversation: tuple[bool, bytes]) -> None:
            assert not {status for status in speak(on, *conversation) if status not in _OWN}

        one()

    with patient.serving(on):
        Visitor(on, VISITOR, SERVER).ask("/", "-A", mark)
        have(conversations // 3)  # by then, every buffer has been made once
        before = workers(on)
        have(conversations)
        after = workers(on)
        assert Visitor(on, VISITOR, SERVER).ask("/").status == 200

    assert before.keys() == after.keys(), "one of its processes is another"
    assert {pid for pid, size in after.items() if size - before[pid] > _GREW} == set()
    through = patient.met.total() - patient.met[""]
    assert through > conversations // 20, "hardly anything came through"
    lines = logged(on, mark)[1:]
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    return Counter(int(re.findall(r'" (\d{3}) \d+ "', line)[0]) for line in lines)


def test_whatever_is_sent_nginx_answers_for_it(lone: Host) -> None:
    statuses = converse(lone, _QUICK)

    assert set(statuses) <= _OWN | _GONE
    # Some who were answered had gone by then.
    assert statuses[200] + statuses[499] > _QUICK // 20


@pytest.mark.heavy
def test_nor_does_it_grow_by_much_more_of_it(lone: Host) -> None:
    statuses = converse(lone, _LONG)

    assert set(statuses) <= _OWN | _GONE
    assert {200, 400, 404, 405} <= set(statuses), "of the others, chance may send none"
