"""What stands where Plex does, for a proxy's tests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.runtime.lone_host import Host

FILM = bytes(range(256)) * 4096
LONG = 100 * len(FILM)


class Upstream:
    """What stands where Plex does: it writes down who came, and answers as the path says."""

    def __init__(self) -> None:
        self.met: list[str] = []
        self.goes_on = threading.Event()
        self.began = threading.Event()
        self.held_up = threading.Event()
        self.ended = threading.Event()

    @contextmanager
    def serving(self, on: Host) -> Iterator[None]:
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def parse_request(self) -> bool:
                well = super().parse_request()
                upstream.met.append(self.path)
                return well

            def do_GET(self) -> None:
                if "Upgrade" in self.headers:
                    self.upgrade()
                elif self.path == "/stream":
                    self.stream()
                elif self.path == "/long":
                    self.long()
                elif self.path == "/patient":
                    self.patient()
                elif self.path == "/poll":
                    upstream.goes_on.wait(120)
                    self.answer(200, b"something has happened")
                elif self.path == "/film":
                    self.film()
                elif self.path == "/upload":
                    self.upload()
                elif self.path == "/strict":
                    self.answer(
                        200, b"", X_Frame_Options="SAMEORIGIN", Referrer_Policy="no-referrer"
                    )
                else:
                    status = {"/missing": 404, "/busy": 503}.get(self.path, 200)
                    told = [[name.lower(), value] for name, value in self.headers.items()]
                    self.answer(status, json.dumps(told).encode())

            do_POST = do_GET  # noqa: N815 - the library's name

            def answer(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def film(self) -> None:
                first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
                span = f"bytes {first}-{last}/{len(FILM)}"
                self.answer(206, FILM[first : last + 1], Content_Range=span)

            def upload(self) -> None:
                length = int(self.headers["Content-Length"])
                first = self.rfile.read(5)
                upstream.began.set()
                self.answer(200, str(len(first + self.rfile.read(length - 5))).encode())

            def stream(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "12")
                self.end_headers()
                self.wfile.write(b"first\n")
                self.wfile.write(b"other\n" if upstream.goes_on.wait(300) else b"late!\n")

            def long(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(LONG))
                self.end_headers()
                self.connection.settimeout(1)
                try:
                    for _ in range(LONG // len(FILM)):
                        self.wfile.write(FILM)
                except TimeoutError:
                    upstream.held_up.set()
                self.close_connection = True
                upstream.ended.set()

            def patient(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(LONG))
                self.end_headers()
                for _ in range(LONG // len(FILM)):
                    self.wfile.write(FILM)

            def upgrade(self) -> None:
                self.send_response(101)
                self.send_header("Upgrade", self.headers["Upgrade"])
                self.send_header("Connection", self.headers["Connection"])
                self.end_headers()
                self.wfile.write(b"<" + self.rfile.read(4) + b">")
                self.close_connection = True

        server = ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
        server.socket.close()
        server.socket = on.listener(32400)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
