"""What is fetched from elsewhere is pinned, or nothing begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.pins import PINS, Pins, PinsError
from tests import stack

NOWHERE = Path("/nonexistent/pins.json")
RELEASE = str(stack.declared()["nixosRelease"]["default"])
SHA256 = "5f3c0b7a9e1d42688b0a6c4df27e913385cc10e7b2a94f6dd8e05317ab926c40"


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of nix/pins.json, with all pins but the installer's hash."""
    path = tmp_path / "pins.json"
    pins = {
        "installer": {"x86_64": {"url": "https://a/installer.tar.gz", "sha256": None}},
        "nixpkgs": {
            "26.05": {"url": "https://a/nixexprs.tar.xz", "sha256": "sha256-AAAA"},
            "26.11": {"url": "https://b/nixexprs.tar.xz", "sha256": None},
        },
    }
    path.write_text(json.dumps(pins))
    monkeypatch.setattr("components.pins.PINS", path)
    return path


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "pins.local.json"
    path.write_text(json.dumps({"installer": {"x86_64": {"sha256": SHA256}}}))
    return path


def test_the_default_release_has_a_pin() -> None:
    pins = json.loads(PINS.read_text())

    assert pins["nixpkgs"][RELEASE]["sha256"].startswith("sha256-")
    assert pins["nixpkgs"][RELEASE]["url"].startswith(
        f"https://releases.nixos.org/nixos/{RELEASE}/"
    )


def test_an_empty_pin_names_the_command_that_fills_it(shipped: Path, local: Path) -> None:
    with pytest.raises(PinsError, match=r"installer .*https://a/installer\.tar\.gz.*`make pins`"):
        Pins.load("26.05", NOWHERE)
    with pytest.raises(PinsError, match=r"nixpkgs .*https://b/nixexprs\.tar\.xz.*`make pins`"):
        Pins.load("26.11", local)


def test_local_pins_are_laid_over_value_by_value(shipped: Path, local: Path) -> None:
    pins = Pins.load("26.05", local)

    assert pins.installer.sha256 == SHA256
    assert pins.installer.url == "https://a/installer.tar.gz"
    assert pins.nixpkgs.url == "https://a/nixexprs.tar.xz"


def test_a_release_without_a_pin_is_told_those_that_have_one(shipped: Path) -> None:
    with pytest.raises(PinsError, match=r'nixosRelease: no pin for "25\.11".* 26\.05, 26\.11'):
        Pins.load("25.11", NOWHERE)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "cannot be read"),
        ("[]", "the file"),
        ('{"nixpkgs": []}', "nixpkgs"),
        ('{"installer": {"x86_64": {"sha256": 5}}}', "installer.x86_64.sha256"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "cannot be read"),
    ],
)
def test_local_pins_that_are_none_are_one_line(
    shipped: Path, local: Path, text: str, word: str
) -> None:
    local.write_bytes(text.encode("latin-1"))

    with pytest.raises(PinsError) as caught:
        Pins.load("26.05", local)

    (line,) = str(caught.value).splitlines()
    assert line.startswith("pins: ")
    assert str(local) in line
    assert word in line


def test_a_folder_is_no_pins_file(shipped: Path, tmp_path: Path) -> None:
    with pytest.raises(PinsError, match="cannot be read"):
        Pins.load("26.05", tmp_path)
