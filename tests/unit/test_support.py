"""The end of a release's support is told in time, by the program and on the host."""

from __future__ import annotations

import subprocess
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from components import configuration, support
from components.rendering import NIX
from tests import program, stack

END = date(2026, 12, 31)
RELEASE = stack.settings_of().nixos_release


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
def test_until_the_end_it_is_a_notice_with_the_date_and_what_to_do(left: int, words: str) -> None:
    said = support.notice("26.05", END - timedelta(days=left))

    assert said is not None
    assert said.level == "notice"
    assert words in said.text
    assert "NixOS 26.05 gets its last updates, those for security too, on 2026-12-31" in said.text
    assert "`make pins RELEASE=26.11`" in said.text
    assert "`pulumi config set nixosRelease 26.11`" in said.text


def test_after_the_end_it_is_a_warning() -> None:
    said = support.notice("26.05", END + timedelta(days=1))

    assert said is not None
    assert said.level == "warning"
    assert "NixOS 26.05 has had no updates since 2026-12-31" in said.text
    assert "stays open" in said.text
    assert "`make pins RELEASE=26.11`" in said.text


def on(day: date, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the program run on another day."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return cls(day.year, day.month, day.day, tzinfo=tz)

    monkeypatch.setattr(support, "datetime", Clock)


@pytest.mark.parametrize(
    ("left", "heard"), [(31, []), (30, ["INFO"]), (0, ["INFO"]), (-1, ["WARNING"])]
)
@pytest.mark.parametrize(
    ("preview", "api", "says"), [(True, False, True), (False, False, False), (False, True, True)]
)
def test_the_program_says_it_once_in_a_run(
    left: int,
    heard: list[str],
    preview: bool,
    api: bool,
    says: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on(support.ends(RELEASE) - timedelta(days=left), monkeypatch)
    monkeypatch.delenv("PULUMI_AUTOMATION_API", raising=False)
    if api:
        monkeypatch.setenv("PULUMI_AUTOMATION_API", "true")

    run = program.run(stack.config(), preview=preview)

    said = [severity for severity, text in run.log if f"NixOS {RELEASE} " in text]
    assert said == (heard if says else [])


def test_the_host_is_told_the_day() -> None:
    parameters = configuration.parameters(stack.settings_of(), "prod")

    assert f"SUPPORT_ENDS={support.ends(RELEASE)}\n" in parameters


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (31, None),
        (30, "notice: NixOS 26.05 gets its last updates on {end}, in 30 days."),
        (1, "notice: NixOS 26.05 gets its last updates on {end}, in 1 day."),
        (0, "notice: NixOS 26.05 gets its last updates on {end}, today."),
        (-1, "warning: NixOS 26.05 has had no updates since {end}, none for security either."),
    ],
)
def test_the_host_says_so_itself(left: int, words: str | None, tmp_path: Path) -> None:
    today = None
    while today != (today := datetime.now(UTC).date()):  # again, if midnight has passed
        end = today + timedelta(days=left)
        (tmp_path / "parameters").write_text(f"RELEASE=26.05\nSUPPORT_ENDS={end}\n")
        said = subprocess.check_output(
            ["sh", NIX / "host" / "support.sh", tmp_path / "parameters"], text=True
        )

    if words is None:
        assert said == ""
    else:
        assert said.startswith(f"support: {words.format(end=end)} Set nixosRelease to the next")
