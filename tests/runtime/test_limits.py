"""A test that hangs fails by its name within its limit, and leaves nothing behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.runtime import inner

_TESTS = """
import asyncio
import subprocess
import threading
from pathlib import Path

import pytest

from tests import logs

HERE = Path(__file__).parent
hangs = pytest.mark.timeout(1)

@pytest.fixture
def made(request):
    log = HERE / "console.log"
    log.write_text("the machine stands still\\n")
    with logs.told(lambda: [log]):
        yield
    (HERE / request.node.name).touch()

@hangs
def test_event(made):
    threading.Event().wait()

@hangs
def test_process(made):
    subprocess.run(["sleep", "1000"])

@hangs
def test_process_that_nobody_kills(made):
    with subprocess.Popen(["sleep", "1000"]) as process:
        process.communicate()

@hangs
def test_loop(made):
    asyncio.run(asyncio.Event().wait())

@pytest.fixture
def never(made):
    with logs.told(lambda: [HERE / "console.log"]):
        threading.Event().wait()
    yield

@hangs
def test_setup(never):
    pass

@pytest.fixture
def no_end(made):
    yield
    threading.Event().wait()

@hangs
def test_end(no_end):
    assert 0, "it had failed"

def test_that_comes_after(made):
    pass
"""


_HANG = ("event", "process", "process_that_nobody_kills", "loop", "setup")


@pytest.mark.heavy
def test_a_test_that_hangs_fails_by_its_name(tmp_path: Path) -> None:
    status, printed = inner.run(tmp_path / "inner", _TESTS, "-n3", "-rfE")

    assert status == 1, printed
    assert "5 failed, 1 passed, 2 errors" in printed, printed
    # Where CI is set in the environment, pytest adds the message to the name.
    for name in (*_HANG, "end"):
        assert re.search(rf"^(FAILED|ERROR) .*::test_{name}( - .*)?$", printed, re.MULTILINE), (
            printed
        )
    assert len(re.findall(r"^E +Failed: Timeout", printed, re.MULTILINE)) >= 6, printed
    # What was made is taken down, and what the machines said last is told.
    for name in (*_HANG, "end"):
        assert (tmp_path / "inner" / f"test_{name}").exists(), printed
    assert printed.count("the machine stands still") >= 6, printed


@pytest.mark.heavy
def test_it_does_so_in_one_process_too(tmp_path: Path) -> None:
    status, printed = inner.run(tmp_path / "inner", _TESTS, "-k", "test_loop or comes_after")

    assert status == 1, printed
    assert "1 failed, 1 passed" in printed, printed
    assert (tmp_path / "inner" / "test_loop").exists()
