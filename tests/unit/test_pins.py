"""What is fetched from elsewhere is pinned, or nothing begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.pins import PINS, PinFile, Pins, PinsError, read

NOWHERE = Path("/nonexistent/pins.json")
SHA256 = "5f3c0b7a9e1d42688b0a6c4df27e913385cc10e7b2a94f6dd8e05317ab926c40"
NAR = "sha256-H9+N+GFtsbVC8ZniHliChM7ndizxtqVZs6bnGOLM3WQ="
OLD = "https://a/nixos-26.05.1.abc/nixexprs.tar.xz"
NEW = "https://b/nixos-26.11.2.def/nixexprs.tar.xz"


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of nix/pins.json, with all pins but the installers' hashes and one of a release."""
    path = tmp_path / "pins.json"
    pins = {
        "installer": {
            "x86_64": {"url": "https://a/installer.tar.gz", "sha256": None},
            "aarch64": {"url": "https://a/installer-arm.tar.gz", "sha256": None},
        },
        "nixpkgs": {
            "26.05": {"url": OLD, "sha256": NAR},
            "26.11": {"url": NEW, "sha256": None},
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


def test_what_is_shipped_pins_a_release_and_a_retired_installer() -> None:
    pins = PinFile.model_validate(json.loads(PINS.read_text()))

    release = pins.newest_release
    assert release is not None
    assert f"/nixos/{release}/nixos-{release}." in pins.nixpkgs[release].url
    assert set(pins.installer) == {"x86_64", "aarch64"}
    for architecture, installer in pins.installer.items():
        # What the project of the installer builds today, it builds anew every week under the same name.
        assert "/download/nixos-25.11/nixos-kexec-installer-noninteractive-" in installer.url
        assert installer.url.endswith(f"-{architecture}-linux.tar.gz")


def test_empty_pins_are_all_named_with_the_command_that_fills_them(
    shipped: Path, local: Path
) -> None:
    with pytest.raises(PinsError) as caught:
        Pins.load("26.11", "x86_64", NOWHERE)

    (line,) = str(caught.value).splitlines()
    assert f"nixpkgs 26.11 ({NEW})" in line
    assert "the installer for x86_64 (https://a/installer.tar.gz)" in line
    assert line.endswith("run `make pins`")

    with pytest.raises(PinsError) as caught:
        Pins.load("26.11", "x86_64", local)
    assert "installer" not in str(caught.value)


def test_each_architecture_has_an_installer_of_its_own(shipped: Path, local: Path) -> None:
    assert Pins.load("26.05", "x86_64", local).installer.url == "https://a/installer.tar.gz"

    with pytest.raises(PinsError, match=r"installer-arm.*`make pins ARCHITECTURE=aarch64`$"):
        Pins.load("26.05", "aarch64", local)


def test_local_pins_are_laid_over_value_by_value(shipped: Path, local: Path) -> None:
    pins = Pins.load("26.05", "x86_64", local)

    assert pins.installer.sha256 == SHA256
    assert pins.installer.url == "https://a/installer.tar.gz"
    assert pins.nixpkgs.url == OLD


def test_a_release_without_a_pin_is_told_those_that_have_one_and_the_command(shipped: Path) -> None:
    with pytest.raises(
        PinsError,
        match=r'nixosRelease: no pin for "25\.11".* 26\.05, 26\.11.*`make pins RELEASE=25\.11`',
    ):
        Pins.load("25.11", "x86_64", NOWHERE)


def test_the_newest_release_is_one_whose_pin_is_filled_in(shipped: Path, local: Path) -> None:
    assert read(local).newest_release == "26.05"

    local.write_text(json.dumps({"nixpkgs": {"26.11": {"sha256": NAR}}}))
    assert read(local).newest_release == "26.11"

    local.write_text(json.dumps({"nixpkgs": {"26.05": {"sha256": None}}}))
    assert read(local).newest_release is None


def test_a_pin_is_of_the_release_that_it_is_for(shipped: Path, local: Path) -> None:
    pins = {"nixpkgs": {"26.11": {"url": OLD, "sha256": NAR}}}
    local.write_text(json.dumps(pins))

    with pytest.raises(PinsError, match=r"nixpkgs of 26\.11 is one of another release.*26\.05\.1"):
        Pins.load("26.11", "x86_64", local)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "cannot be read"),
        ("[]", "the file"),
        ('{"nixpkgs": []}', "nixpkgs"),
        ('{"installer": {"x86_64": {"sha256": 5}}}', "installer.x86_64.sha256"),
        # The hash of the other kind, taken from elsewhere.
        (f'{{"installer": {{"x86_64": {{"sha256": "{NAR}"}}}}}}', "installer.x86_64.sha256"),
        (f'{{"nixpkgs": {{"26.05": {{"sha256": "{SHA256}"}}}}}}', "nixpkgs.26.05.sha256"),
        ('{"installer": {"arm": {"url": "https://a", "sha256": null}}}', "installer.arm"),
        (f'{{"nixpkgs": {{"unstable": {{"url": "{NEW}", "sha256": null}}}}}}', "nixpkgs.unstable"),
        # One that is not immutable, and whose number the host could not compare.
        (
            '{"nixpkgs": {"26.05": {"url": "https://channels.nixos.org/nixos-26.05/nixexprs.tar.xz"}}}',
            "nixpkgs.26.05.url",
        ),
        ('{"nixpkgs": {"26.11": {"url": "https://a/nixos-26.11beta1.ab/nixexprs.tar.xz"}}}', "url"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "cannot be read"),
    ],
)
def test_local_pins_that_are_none_are_one_line(
    shipped: Path, local: Path, text: str, word: str
) -> None:
    local.write_bytes(text.encode("latin-1"))

    with pytest.raises(PinsError) as caught:
        Pins.load("26.05", "x86_64", local)

    (line,) = str(caught.value).splitlines()
    assert line.startswith("pins: ")
    assert str(local) in line
    assert word in line


def test_a_folder_is_no_pins_file(shipped: Path, tmp_path: Path) -> None:
    with pytest.raises(PinsError, match="cannot be read"):
        Pins.load("26.05", "x86_64", tmp_path)
