"""What `new` has as defaults, and what it writes down: for one stack, and for all of them in Pulumi.yaml."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import checks
from fleet import new
from fleet.errors import FleetError
from fleet.new import _has_domain, _nixos, _one_of, _provider, _public_key, _Stack, _yes_or_no
from fleet.questions import Questions
from tests.stack import PUBLIC_KEY

PROJECT = """config:
  domain:
    type: string
    description: The name that people open. Its records point there.
  acmeEmail:
    type: string
    default: owner@films.org
    description: Where Let's Encrypt writes to.
  backups:
    type: boolean
    default: true
    description: Backups.
  nixosRelease:
    type: string
    default: ""
    description: The NixOS release.
  serverType:
    type: string
    default: cx23
    description: Hetzner's server type.
  pins:
    type: string
    default: PINS
    description: A file of pins.
  hcloud:endpoint: https://api.films.org/v1
"""


@pytest.fixture
def stack(tmp_path: Path) -> _Stack:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT.replace("PINS", str(tmp_path / "pins.json")))
    return _Stack("one", tmp_path, Questions())


def written(stack: _Stack) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(stack.path.read_text())["config"]
    return config


def test_defaults_are_the_stacks_own_or_those_of_all_stacks(stack: _Stack) -> None:
    assert stack.get("domain") is None
    assert stack.get("acmeEmail") == "owner@films.org"
    assert stack.get("hcloud:endpoint") == "https://api.films.org/v1"

    stack.path.write_text("config:\n  plex-on-nixos:acmeEmail: me@films.org\n")

    assert stack.get("acmeEmail") == "me@films.org"


def test_what_all_stacks_have_is_not_written_down_again(stack: _Stack) -> None:
    stack.put("domain", "plex.films.org")
    stack.put("acmeEmail", "owner@films.org")
    stack.put("backups", True)

    assert written(stack) == {"plex-on-nixos:domain": "plex.films.org"}
    assert "  # The name that people open.\n" in stack.path.read_text()


def test_a_value_that_changes_takes_the_place_of_the_old_one(
    stack: _Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def pulumi(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(words[2:])
        stack.path.write_text("config: {}\n")
        return subprocess.CompletedProcess(words, 0, "", "")

    stack.put("domain", "plex.films.org")
    monkeypatch.setattr(subprocess, "run", pulumi)
    stack.put("domain", "plex.films.org")
    assert asked == []
    stack.put("domain", "other.films.org")

    assert asked == [["config", "rm", "plex-on-nixos:domain", "--stack", "one"]]
    assert written(stack) == {"plex-on-nixos:domain": "other.films.org"}


def test_a_secret_travels_on_the_input_alone(
    stack: _Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[list[str], str]] = []

    def pulumi(words: list[str], **others: Any) -> subprocess.CompletedProcess[str]:
        assert "geheim" not in " ".join(words)
        asked.append((words[2:], others["input"]))
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pulumi)
    stack.put_secret("hcloud:token", "geheim")

    words = ["config", "set", "--secret", "hcloud:token", "--stack", "one"]
    assert asked == [(words, "geheim")]


def test_a_domain_belongs_to_one_stack(stack: _Stack) -> None:
    stack.put("domain", "plex.films.org")
    (stack.folder / "Pulumi.two.yaml").write_text(stack.path.read_text().replace("plex.", "two."))

    assert _has_domain(stack, "plex.films.org") is None, "its own"
    assert _has_domain(stack, "two.films.org") == "two"


def pin(stack: _Stack, *releases: str, installer: bool = True) -> None:
    """What `make pins` has written down: of the installer, and of each release."""
    sha256 = "sha256-H9+N+GFtsbVC8ZniHliChM7ndizxtqVZs6bnGOLM3WQ="
    pins: dict[str, Any] = {
        "nixpkgs": {
            release: {"url": f"https://a/nixos-{release}.1.abc/nixexprs.tar.xz", "sha256": sha256}
            for release in releases
        }
    }
    if installer:
        pins["installer"] = {"x86_64": {"sha256": "5" * 64}}
    (stack.folder / "pins.json").write_text(json.dumps(pins))


def test_a_new_stack_is_on_the_newest_release_with_a_pin_and_stays_there(
    stack: _Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    pin(stack, "98.11", "99.05")
    _nixos(stack)

    assert written(stack) == {"plex-on-nixos:nixosRelease": "99.05"}
    assert 'nixosRelease: "99.05"' in stack.path.read_text(), "no number to any reader of YAML"
    assert "nixosRelease: 99.05\n" in capsys.readouterr().out

    pin(stack, "98.11", "99.05", "99.11")
    _nixos(stack)

    assert written(stack) == {"plex-on-nixos:nixosRelease": "99.05"}
    assert "nixosRelease: 99.05\n" in capsys.readouterr().out


def test_with_open_pins_a_stack_is_not_bound_to_a_release(stack: _Stack) -> None:
    pin(stack, "99.05", installer=False)

    with pytest.raises(FleetError, match=r"no hash yet for the installer.*run `make pins`\. Then"):
        _nixos(stack)

    assert not stack.path.exists()


@pytest.mark.parametrize("installer", [True, False])
def test_what_has_to_run_first_is_said_before_the_first_question(
    installer: bool,
    stack: _Stack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pin(stack, "99.05", installer=installer)
    monkeypatch.setattr("sys.stdin", io.StringIO())

    with pytest.raises(FleetError, match="the answers have come to an end"):
        new.run("one", stack.folder)

    told, _, _ = capsys.readouterr().out.partition("secretsProvider: ")
    if installer:
        assert told == ""
    else:
        first, second, _ = told.splitlines()
        assert first.startswith("pins: no hash yet for the installer for x86_64 (")
        assert first.endswith("; run `make pins`")
        assert second == "Do that first, or in another terminal before the last question."


def test_a_public_key_is_given_or_the_file_with_it(tmp_path: Path) -> None:
    path = tmp_path / "id_ed25519.pub"
    path.write_text(PUBLIC_KEY + "\n")

    assert _public_key(PUBLIC_KEY) == _public_key(str(path)) == PUBLIC_KEY
    with pytest.raises(ValueError, match="not a public SSH key"):
        _public_key(str(tmp_path / "absent.pub"))
    path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(ValueError, match="a private key"):
        _public_key(str(path))


def test_answers_of_a_few_words() -> None:
    assert [_yes_or_no(text) for text in ("yes", "Y", "no", "false")] == [True, True, False, False]
    assert _provider("awskms://alias/x") == "awskms://alias/x"
    assert _one_of(["a", "b"])("b") == "b"
    for check, wrong in (
        (_yes_or_no, "x"),
        (_provider, "pass"),
        (_one_of(["a"]), ""),
        (checks.email, ""),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            check(wrong)
