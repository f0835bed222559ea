"""`make pins` fills in what nix/pins.json leaves open, and says what went wrong where it cannot."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from components import make_pins
from components.pins import Pins

INSTALLER = b"an installer" * 200_000


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == "/installer.tar.gz"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(INSTALLER) if found else 0))
        self.end_headers()
        if found:
            self.wfile.write(INSTALLER)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "pins.json"
    monkeypatch.setattr("components.pins.PINS", path)
    monkeypatch.setattr("components.make_pins.PINS", path)
    return path


def leave_open(shipped: Path, url: str) -> None:
    pins = {
        "installer": {"x86_64": {"url": url, "sha256": None}},
        "nixpkgs": {"26.05": {"url": "https://a/nixexprs.tar.xz", "sha256": "sha256-AAAA"}},
    }
    shipped.write_text(json.dumps(pins))


def test_what_is_open_is_filled_in(shipped: Path, site: str, tmp_path: Path) -> None:
    leave_open(shipped, f"{site}/installer.tar.gz")
    local = tmp_path / "pins.local.json"
    local.write_text(json.dumps({"nixpkgs": {"26.11": {"url": "https://b", "sha256": "sha256-B"}}}))

    make_pins.main(local)

    assert Pins.load("26.05", local).installer.sha256 == hashlib.sha256(INSTALLER).hexdigest()
    assert Pins.load("26.11", local).nixpkgs.url == "https://b", "what was there stays"


def test_what_cannot_be_fetched_is_one_sentence(shipped: Path, site: str, tmp_path: Path) -> None:
    leave_open(shipped, f"{site}/gone.tar.gz")
    local = tmp_path / "pins.local.json"

    with pytest.raises(SystemExit, match="It cannot be fetched: 404"):
        make_pins.main(local)

    assert not local.exists()
