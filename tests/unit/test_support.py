"""The end of a release's support is told in time, by the program and on the host."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from components import configuration, support
from components.rendering import NIX
from tests import program, stack

END = date(2026, 12, 31)


@pytest.mark.parametrize(
    ("release", "end", "following"),
    [
        ("26.05", END, "26.11"),
        ("26.11", date(2027, 6, 30), "27.05"),
        ("25.11", date(2026, 6, 30), "26.05"),
    ],
)
def test_a_release_is_supported_for_seven_months(release: str, end: date, following: str) -> None:
    assert support.ends(release) == end
    assert support.successor(release) == following


def test_nothing_is_said_until_30_days_before() -> None:
    assert support.notice("26.05", END - timedelta(days=31)) is None
    assert support.notice("26.05", END - timedelta(days=30)) is not None


@pytest.mark.parametrize(("left", "words"), [(30, "in 30 days"), (1, "in 1 day."), (0, "today")])
def test_the_date_is_named_and_what_to_do(left: int, words: str) -> None:
    said = support.notice("26.05", END - timedelta(days=left))

    assert said is not None
    assert words in said
    assert "NixOS 26.05 gets its last updates, those for security too, on 2026-12-31" in said
    assert "`make pins RELEASE=26.11`" in said
    assert "`pulumi config set nixosRelease 26.11`" in said


def test_after_the_end_it_is_said_more_strongly() -> None:
    said = support.notice("26.05", END + timedelta(days=1))

    assert said is not None
    assert "NixOS 26.05 has had no updates since 2026-12-31" in said
    assert "stays open" in said
    assert "`make pins RELEASE=26.11`" in said


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize(("release", "warned"), [("20.05", True), ("98.11", False)])
def test_every_run_of_the_program_says_so(
    release: str, warned: bool, preview: bool, tmp_path: Path
) -> None:
    shipped = json.loads((NIX / "pins.json").read_text())["nixpkgs"]["26.05"]
    pins = json.loads((stack.REPO / "tests/pins.json").read_text())
    url = f"https://releases.nixos.org/nixos/{release}/nixos-{release}.1.abc/nixexprs.tar.xz"
    pins["nixpkgs"] = {release: {"url": url, "sha256": shipped["sha256"]}}
    (tmp_path / "pins.json").write_text(json.dumps(pins))

    run = program.run(
        stack.config(nixosRelease=release, pins=str(tmp_path / "pins.json")), preview=preview
    )

    said = [text for severity, text in run.log if severity == "WARNING"]
    assert [f"NixOS {release} has had no updates" in text for text in said] == [True] * warned


def test_the_host_is_told_the_day() -> None:
    parameters = configuration.parameters(stack.settings_of(), "prod")

    assert "RELEASE=99.05\nSUPPORT_ENDS=2099-12-31\n" in parameters


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (31, None),
        (30, "gets its last updates on {end}, in 30 days."),
        (0, "gets its last updates on {end}, in 0 days."),
        (-1, "has had no updates since {end}, none for security either."),
    ],
)
def test_the_host_says_so_itself(left: int, words: str | None, tmp_path: Path) -> None:
    end = datetime.now(UTC).date() + timedelta(days=left)
    (tmp_path / "parameters").write_text(f"RELEASE=26.05\nSUPPORT_ENDS={end}\n")

    done = subprocess.run(
        ["sh", NIX / "host" / "support.sh", tmp_path / "parameters"],
        capture_output=True,
        text=True,
        check=True,
    )

    if words is None:
        assert done.stdout == ""
    else:
        assert done.stdout.startswith(
            f"support: warning: NixOS 26.05 {words.format(end=end)} Set nixosRelease to the next"
        )
