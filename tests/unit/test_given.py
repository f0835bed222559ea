"""The nixpkgs that `make test-nixos` and `make test-vm` take: named, or pinned and checked by its hash."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.nar import tree_hash
from tests.nixos import given
from tests.unit.test_make_pins import NAR, NEWEST, OLD, Site, nixexprs


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Site) -> Path:
    """A fork's pins, over the ones that come with the project: of 26.05, and of no release that is newer."""
    shipped, local = tmp_path / "pins.json", tmp_path / "pins.local.json"
    old = {"url": f"{site.url}{OLD}", "sha256": NAR}
    shipped.write_text(json.dumps({"installer": {}, "nixpkgs": {"26.05": old}}))
    monkeypatch.setattr("components.pins.PINS", shipped)
    monkeypatch.setattr("tests.nixos.given.LOCAL", local)
    monkeypatch.setattr("tests.nixos.given._FETCHED", tmp_path / "fetched")
    monkeypatch.setenv("NIXPKGS", "pinned")
    return local


def pin(local: Path, url: str, sha256: str | None) -> None:
    local.write_text(json.dumps({"nixpkgs": {"26.11": {"url": url, "sha256": sha256}}}))


def test_the_newest_pin_is_fetched_once_and_checked(local: Path, site: Site) -> None:
    pin(local, f"{site.url}{NEWEST}", tree_hash(io.BytesIO(nixexprs())))

    found = given.nixpkgs()

    assert found is not None
    assert found.name == "nixos-26.11.7.def"
    assert (found / "default.nix").exists()
    assert given.nixpkgs() == found
    assert site.asked == [NEWEST]


def test_another_hash_than_the_pinned_one_is_refused(local: Path, site: Site) -> None:
    pin(local, f"{site.url}{NEWEST}", NAR)

    with pytest.raises(SystemExit, match=rf"but the pin says {re.escape(NAR)}$"):
        given.nixpkgs()

    assert list(local.with_name("fetched").iterdir()) == []


def test_what_is_not_there_is_said(local: Path, site: Site) -> None:
    pin(local, f"{site.url}{NEWEST.replace('.7.', '.8.')}", NAR)

    with pytest.raises(SystemExit, match=r"nixexprs\.tar\.xz cannot be fetched: 404"):
        given.nixpkgs()


def test_a_pin_without_a_hash_is_refused(local: Path, site: Site) -> None:
    pin(local, f"{site.url}{NEWEST}", None)

    with pytest.raises(SystemExit, match=r"26\.11 has no hash yet; run `make pins`"):
        given.nixpkgs()

    assert site.asked == []


def test_one_that_is_named_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIXPKGS", str(tmp_path))

    assert given.nixpkgs() == tmp_path
