"""What a busy machine made fail is tried once more, and told; what is broken stays so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rich.console import Console

from tests import __main__ as stages
from tests.stages import Stage
from tests.stages import pytest as stage_of

_LATE = """
from pathlib import Path

def test_it():
    once = Path(__file__).with_suffix(".once")
    first = not once.exists()
    once.touch()
    assert not first
"""
_WELL = "def test_it():\n    pass\n"
_BROKEN = "def test_it():\n    assert 0\n"


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> tuple[bool, str]:
    """What comes of a stage with such test files, and what is printed of it."""
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    monkeypatch.setattr("tests.stages._REPO", folder)
    return outcome(monkeypatch, stage_of("one", "."))


def outcome(monkeypatch: pytest.MonkeyPatch, stage: Stage) -> tuple[bool, str]:
    monkeypatch.setattr(stages, "_TURNS", [[stage.name]])
    console = Console(record=True, width=100)
    return stages.run({stage.name: stage}, {}, console), console.export_text()


def test_what_holds_alone_is_well_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    well, printed = run(tmp_path, monkeypatch, late=_LATE, well=_WELL)

    assert well
    assert "test_late.py" in printed
    assert "test_well.py" not in printed
    assert "stages: 1 passed, 1 of them at the second try; 0 failed" in printed


def test_what_fails_twice_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    well, printed = run(tmp_path, monkeypatch, late=_LATE, broken=_BROKEN)

    assert not well
    assert "stages: 0 passed, 0 of them at the second try; 1 failed" in printed


def test_many_are_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    well, printed = run(tmp_path, monkeypatch, **{f"late{n}": _LATE for n in range(4)})

    assert not well
    assert "once more" not in printed


def test_what_failed_in_an_earlier_run_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not run(tmp_path, monkeypatch, gone=_BROKEN)[0]
    (tmp_path / "test_gone.py").unlink()

    assert run(tmp_path, monkeypatch, late=_LATE)[0]


def test_a_stage_that_is_no_tests_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not outcome(monkeypatch, Stage("one", [sys.executable, "-c", "1 / 0"]))[0]
