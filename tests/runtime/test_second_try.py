"""The second try of each stage that leaves tests out, with the stages as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests import __main__ as stages


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("runtime", "tests/runtime/test_world.py"),
        ("e2e-life", "tests/e2e/life/test_life.py"),
        ("e2e-rest", "tests/e2e/installation/test_replaced.py"),
        ("e2e-rest", "tests/e2e/faults/test_keys.py"),
        ("vm", "tests/vm/test_power.py"),
    ],
)
def test_a_second_try_has_tests_of_its_one_file(name: str, file: str, tmp_path: Path) -> None:
    """… with the marks of the stage, whichever other file they are told about in."""
    stage = stages._STAGES[name]
    assert stage.without
    collects = [*stage.command, "--collect-only", "-o", f"cache_dir={tmp_path}"]
    with replace(stage, command=collects, paths=[file]).start() as running:
        collected = running.end(lambda _: None)
    assert collected.status == 0, collected.printed
    assert f"{file}::test_" in collected.printed
