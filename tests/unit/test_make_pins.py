"""`make pins` pins the newest release, fills in what is open, and says what went wrong where it cannot."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from components import make_pins
from components.nar import tree_hash
from components.pins import Pins

INSTALLER = b"an installer" * 200_000
SHA256 = hashlib.sha256(INSTALLER).hexdigest()
NAR = "sha256-H9+N+GFtsbVC8ZniHliChM7ndizxtqVZs6bnGOLM3WQ="
DOWNLOAD = "/nix-community/nixos-images/releases/download/nixos-25.11"
OLD = "/nixos/26.05/nixos-26.05.1.abc/nixexprs.tar.xz"
PINNED = ["--release=26.05"]  # to what is the newest of that
NEWEST = "/nixos/26.11/nixos-26.11.7.def/nixexprs.tar.xz"


def nixexprs() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("nixos-26.11.7.def/default.nix"))
    return lzma.compress(buffer.getvalue())


def channel(release: str) -> str:
    return f"/channels/nixos-{release}/nixexprs.tar.xz"


class Site(ThreadingHTTPServer):
    """GitHub, its API, the channels and the releases, all in one place: what is where, and what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files: dict[str, bytes] = {
            f"{DOWNLOAD}/installer.tar.gz": INSTALLER,
            f"{DOWNLOAD}/installer-arm.tar.gz": INSTALLER[1:],
            OLD: nixexprs(),
            NEWEST: nixexprs(),
        }
        self.redirects: dict[str, str] = {}
        self.leads("26.05", OLD)
        self.leads("26.11", NEWEST)
        self.lengths: dict[str, int] = {}
        self.asked: list[str] = []
        self.fetched: list[str] = []

    def leads(self, release: str, path: str) -> None:
        """Let a release's channel lead to a file."""
        self.redirects[channel(release)] = path

    def assets(self, *assets: dict[str, object]) -> None:
        """What GitHub's API says of the release."""
        path = "/api/repos/nix-community/nixos-images/releases/tags/nixos-25.11"
        self.files[path] = json.dumps({"assets": assets}).encode()


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.command == "GET":
            self.server.fetched.append(self.path)
        content = self.server.files.get(self.path, b"")
        moved = self.server.redirects.get(self.path)
        self.send_response(302 if moved else 200 if content else 404)
        if moved:
            self.send_header("Location", moved)
        length = self.server.lengths.get(self.path, len(content))
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815 - the base class's

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Site() as server:
        monkeypatch.setattr("components.upstream._GITHUB", server.url)
        monkeypatch.setattr("components.upstream._GITHUB_API", f"{server.url}/api")
        address = f"{server.url}/channels/nixos-{{release}}/nixexprs.tar.xz"
        monkeypatch.setattr("components.upstream._CHANNEL", address)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Site) -> Path:
    """Where pins are written to, over a file in the place of nix/pins.json."""
    shipped = tmp_path / "pins.json"
    pins = {
        "installer": {
            "x86_64": {"url": f"{site.url}{DOWNLOAD}/installer.tar.gz", "sha256": None},
            "aarch64": {"url": f"{site.url}{DOWNLOAD}/installer-arm.tar.gz", "sha256": None},
        },
        "nixpkgs": {"26.05": {"url": f"{site.url}{OLD}", "sha256": NAR}},
    }
    shipped.write_text(json.dumps(pins))
    monkeypatch.setattr("components.pins.PINS", shipped)
    return tmp_path / "pins.local.json"


def test_what_is_open_is_filled_in_for_one_architecture(local: Path, site: Site) -> None:
    make_pins.main([], local)

    assert Pins.load("26.05", "x86_64", local).installer.sha256 == SHA256
    assert f"{DOWNLOAD}/installer-arm.tar.gz" not in site.asked

    make_pins.main(["--architecture=aarch64"], local)
    arm = Pins.load("26.05", "aarch64", local)
    assert arm.installer.sha256 == hashlib.sha256(INSTALLER[1:]).hexdigest()
    assert Pins.load("26.05", "x86_64", local).installer.sha256 == SHA256


def test_a_second_run_does_nothing_and_says_so(
    local: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    make_pins.main([], local)
    assert f"Written: {local}. Commit it in your fork." in capsys.readouterr().out
    site.fetched.clear()
    before = local.read_bytes()

    make_pins.main([], local)

    said = capsys.readouterr().out
    assert "nixpkgs 26.11: nixos-26.11.7.def is the newest, and pinned already\n" in said
    assert "Nothing to do: all pins for x86_64 are filled in.\n" in said
    assert site.fetched == [], "heads alone"
    assert local.read_bytes() == before


def test_the_newest_release_is_pinned_and_the_command_for_a_stack_is_said(
    local: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    make_pins.main([], local)

    assert set(json.loads(local.read_text())["nixpkgs"]) == {"26.11"}
    assert Pins.load("26.11", "x86_64", local).nixpkgs.url == f"{site.url}{NEWEST}"
    assert Pins.load("26.05", "x86_64", local).nixpkgs.sha256 == NAR, "what was there stays"
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "For a stack on NixOS 26.11: pulumi config set nixosRelease 26.11"
    # The next one has no channel, and the one after it was not looked for.
    assert channel("27.05") in site.asked
    assert channel("27.11") not in site.asked


def test_the_search_goes_on_for_as_long_as_releases_have_come_out(local: Path, site: Site) -> None:
    newer = "/nixos/27.05/nixos-27.05.3.abc/nixexprs.tar.xz"
    site.files[newer] = nixexprs()
    site.leads("27.05", newer)

    make_pins.main([], local)

    assert set(json.loads(local.read_text())["nixpkgs"]) == {"27.05"}


@pytest.mark.parametrize("word", ["27.05beta3.0123abcd", "27.05pre99.0123abcd"])
def test_a_release_that_is_being_tested_is_not_the_newest(
    word: str, local: Path, site: Site
) -> None:
    beta = f"/nixos/27.05/nixos-{word}/nixexprs.tar.xz"
    site.files[beta] = nixexprs()
    site.leads("27.05", beta)

    make_pins.main([], local)

    assert set(json.loads(local.read_text())["nixpkgs"]) == {"26.11"}


def test_the_search_passes_over_a_pin_of_a_release_that_has_no_channel(
    local: Path, site: Site
) -> None:
    # As the sandbox's own is.
    made_up = {"url": f"{site.url}/nixos-99.05.1.abc/nixexprs.tar.xz", "sha256": NAR}
    local.write_text(json.dumps({"nixpkgs": {"99.05": made_up}}))

    make_pins.main([], local)

    assert set(json.loads(local.read_text())["nixpkgs"]) == {"99.05", "26.11"}


def test_channels_that_cannot_be_asked_are_one_sentence(
    local: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.redirects.clear()
    said = ends_with([], local)
    assert said.startswith("make pins: none of the releases with a pin (26.05) has a channel; ")

    monkeypatch.setattr("components.upstream._CHANNEL", "http://127.0.0.1:9/{release}")
    assert "http://127.0.0.1:9/26.05 cannot be looked up: " in ends_with([], local)


def test_another_release_is_pinned_to_the_newest_of_its_channel(
    local: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.leads("26.05", newer := OLD.replace(".1.abc", ".2.cde"))
    site.files[newer] = nixexprs()

    make_pins.main(["--release=26.05"], local)

    pins = Pins.load("26.05", "x86_64", local)
    assert pins.nixpkgs.url == f"{site.url}{newer}"
    assert pins.nixpkgs.sha256 == tree_hash(io.BytesIO(nixexprs()))
    assert pins.installer.sha256 == SHA256, "what is open is filled in, too"
    assert channel("26.11") not in site.asked
    assert capsys.readouterr().out.splitlines()[-1].endswith("config set nixosRelease 26.05")


def test_an_open_nixpkgs_is_filled_in_too(local: Path, site: Site) -> None:
    local.write_text(json.dumps({"nixpkgs": {"26.05": {"sha256": None}}}))

    make_pins.main([], local)

    found = Pins.load("26.05", "x86_64", local).nixpkgs
    assert found.sha256 == tree_hash(io.BytesIO(nixexprs()))


@pytest.mark.parametrize("digest", [f"sha256:{SHA256}", None])
def test_github_may_say_the_same_or_nothing(local: Path, site: Site, digest: str | None) -> None:
    site.assets({"name": "installer.tar.gz", "digest": digest}, {"name": "another"})

    make_pins.main([], local)

    assert Pins.load("26.05", "x86_64", local).installer.sha256 == SHA256


def ends_with(arguments: list[str], local: Path) -> str:
    """The one sentence that a run ends with, having left the pins alone."""
    before = local.read_bytes() if local.exists() else None
    with pytest.raises(SystemExit) as caught:
        make_pins.main(arguments, local)
    assert (local.read_bytes() if local.exists() else None) == before
    (line,) = str(caught.value.code).splitlines()
    return line


def test_what_github_says_is_another_is_refused(local: Path, site: Site) -> None:
    site.assets({"name": "installer.tar.gz", "digest": f"sha256:{'0' * 64}"})

    said = ends_with(PINNED, local)

    assert SHA256 in said
    assert f"GitHub's API says {'0' * 64}" in said


def test_what_cannot_be_fetched_is_one_sentence(local: Path, site: Site) -> None:
    path = f"{DOWNLOAD}/installer.tar.gz"
    site.lengths[path] = len(INSTALLER) + 1
    assert "a broken one" in ends_with(PINNED, local)

    del site.files[path]
    said = ends_with(PINNED, local)
    assert said == f"make pins: {site.url}{path} cannot be fetched: 404 Not Found"


def test_what_is_no_nixpkgs_is_one_sentence(local: Path, site: Site) -> None:
    site.files[NEWEST] = b"<html>"
    assert f"{site.url}{NEWEST} is no whole .tar.xz" in ends_with(["--release=26.11"], local)


def test_what_was_fetched_before_a_failure_stays(local: Path, site: Site) -> None:
    del site.files[f"{DOWNLOAD}/installer.tar.gz"]

    with pytest.raises(SystemExit, match="cannot be fetched"):
        make_pins.main(["--release=26.11"], local)

    assert set(json.loads(local.read_text())["nixpkgs"]) == {"26.11"}


def test_a_release_that_has_not_come_out_is_one_sentence(local: Path, site: Site) -> None:
    assert "NixOS 27.05 has no channel" in ends_with(["--release=27.05"], local)

    beta = "/nixos/27.05/nixos-27.05beta3.0123abcd/nixexprs.tar.xz"
    site.leads("27.05", beta)
    site.files[beta] = nixexprs()
    assert "NixOS 27.05 has not come out yet" in ends_with(["--release=27.05"], local)


def test_a_file_that_is_broken_is_left_alone(local: Path) -> None:
    local.write_text("{")

    assert "cannot be read" in ends_with([], local)


@pytest.mark.parametrize("words", [["--release=26.10"], ["--architecture=arm"], ["26.11"]])
def test_a_wrong_argument_is_told_the_right_ones(
    words: list[str], local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        make_pins.main(words, local)

    assert "make pins [ARCHITECTURE=aarch64] [RELEASE=26.11]" in capsys.readouterr().err
    assert not local.exists()
