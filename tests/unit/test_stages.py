"""What a busy machine made fail is tried once more, and told; what is broken, or hangs, stays so."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
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
    assert not first, "late, this time"
"""
_WELL = "def test_it():\n    pass\n"
_BROKEN = "def test_it():\n    assert 0\n"
_NOT_COLLECTED = """
from pathlib import Path

once = Path(__file__).with_suffix(".once")
if not once.exists():
    once.touch()
    raise OSError("no memory, this time")

def test_it():
    pass
"""
_SKIPPED_THEN = _LATE.replace(
    "    assert", "    import pytest\n    first or pytest.skip()\n    assert"
)
# Starts what is in another session, and hangs; says so by a link to the process's number.
_HANGS = """
import os
import subprocess

import pytest

@pytest.fixture
def made():
    yield
    open("taken-down", "w").close()

def test_it(made):
    sleeper = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    os.symlink(str(sleeper.pid), "hangs")
    sleeper.wait()
"""


class Run:
    """A run of a stage, or of several, in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.failures = folder / "failures.txt"
        self._patch = monkeypatch
        monkeypatch.setattr("tests.stages._REPO", folder)
        # Each would be imported again and again.
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def files(self, **files: str) -> tuple[bool, str]:
        """What comes of a stage with such test files, and what is printed of it."""
        for name, text in files.items():
            (self.folder / f"test_{name}.py").write_text(text)
        return self.stage(stage_of("one", ".", seconds=300))

    def stage(self, stage: Stage, *, strict: bool = False) -> tuple[bool, str]:
        self._patch.setattr(stages, "_TURNS", [[stage.name]])
        console = Console(record=True, width=100)
        well = stages.run({stage.name: stage}, {}, console, self.failures, strict=strict)
        return well, console.export_text()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(tmp_path, monkeypatch)


def test_what_holds_alone_is_well_and_named(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    well, printed = run.files(late=_LATE, well=_WELL)

    assert well
    assert "test_late.py" in printed
    assert "test_well.py" not in printed
    assert "passed at the second try, which is a fault, too: one" in printed
    assert "stages: 1 passed, 1 of them at the second try; 0 failed" in printed
    # pytest's own lines are there, and the reports of what failed a second time, before the second try.
    everything = capsys.readouterr().out
    assert "1 failed, 1 passed in" in everything
    assert everything.count("late, this time") == 2 * run.failures.read_text().count(
        "late, this time"
    )
    assert run.failures.read_text().startswith("##### one\n=")


@pytest.mark.parametrize("setting", ["CI=true", "FORCE_COLOR=1", "COLUMNS=20"])
def test_the_second_try_is_judged_alike_whatever_the_environment_asks_of_pytest(
    run: Run, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv(*setting.split("="))

    well, printed = run.files(late=_LATE)

    assert well
    assert "stages: 1 passed, 1 of them at the second try; 0 failed" in printed.replace("\n", " ")
    assert "late, this time" in run.failures.read_text()


def test_a_pass_at_the_second_try_is_a_failure_where_all_is_run(run: Run) -> None:
    (run.folder / "test_late.py").write_text(_LATE)
    well, printed = run.stage(stage_of("one", ".", seconds=300), strict=True)

    assert not well
    assert "passed at the second try, which counts as failed: one" in printed
    assert "stages: 0 passed, 0 of them at the second try; 1 failed" in printed


def test_what_fails_twice_has_failed_and_both_are_kept(run: Run) -> None:
    well, printed = run.files(late=_LATE, broken=_BROKEN)

    assert not well
    assert "failed: one" in printed
    assert f"what failed, and how: {run.failures}" in printed.replace("\n", "")
    assert "stages: 0 passed, 0 of them at the second try; 1 failed" in printed
    first, second = run.failures.read_text().split("##### one, at the second try\n")
    assert "late, this time" in first
    assert "late, this time" not in second
    assert "assert 0" in first
    assert "assert 0" in second


def test_what_failed_is_forgotten_by_a_run_in_which_nothing_does(run: Run) -> None:
    run.files(late=_LATE)
    assert run.failures.exists()

    well, printed = run.files(late=_LATE)

    assert well
    assert not run.failures.exists()
    assert str(run.failures) not in printed.replace("\n", "")


def test_a_second_try_without_a_test_is_no_success(run: Run) -> None:
    assert not run.files(skipped=_SKIPPED_THEN)[0]


def test_many_are_not_tried_again(run: Run) -> None:
    well, printed = run.files(**{f"late{n}": _LATE for n in range(4)})

    assert not well
    assert "once more" not in printed


def test_what_has_not_run_all_tests_is_not_tried_again(run: Run) -> None:
    well, printed = run.files(late=_NOT_COLLECTED, well=_WELL)

    assert not well
    assert "once more" not in printed
    assert "no memory, this time" in run.failures.read_text()


def test_what_failed_in_an_earlier_run_is_not_tried_again(run: Run) -> None:
    assert not run.files(gone=_BROKEN)[0]
    (run.folder / "test_gone.py").unlink()

    assert run.files(late=_LATE)[0]


def test_a_stage_that_is_no_tests_has_failed(run: Run) -> None:
    assert not run.stage(Stage("one", [sys.executable, "-c", "1 / 0"]))[0]
    assert "ZeroDivisionError" in run.failures.read_text()


def ended(process: int) -> bool:
    """Whether a process of somebody else's ends, now that it was killed."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 60)[0])
    finally:
        os.close(descriptor)


@pytest.fixture
def in_the_background() -> Iterator[None]:
    """As what a script has begun with `&`, which Ctrl-C at the terminal is not to end."""
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, ours)


@pytest.mark.usefixtures("in_the_background")
def test_a_stage_that_hangs_is_stopped_with_all_that_it_started(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.folder / "test_hangs.py").write_text(_HANGS)
    (run.folder / "test_broken.py").write_text(_BROKEN)
    hangs = run.folder / "hangs"
    monkeypatch.setattr("tests.running.monotonic", lambda: 1000.0 if hangs.is_symlink() else 0.0)

    well, printed = run.stage(stage_of("one", ".", seconds=900))

    assert not well
    assert "once more" not in printed
    told = run.failures.read_text()
    assert "assert 0" in told
    assert "one has not ended within 900 s" in told
    assert (run.folder / "taken-down").exists()
    assert ended(int(str(hangs.readlink())))
