"""What all tests have in common."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import logs, needs

# The machine may be busy with a sandbox at the same time: how long one example takes says nothing.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")

# Seconds that a test may take with all that is made for it, by its folder: several times what the slowest
# takes here. pyproject.toml has the others'.
_LIMITS = {"nix": 300, "runtime": 600, "e2e": 1800, "vm": 3600}
_HEAVY = 1800
# What the one who runs the tests has set for programs of their own that are tried here, too.
_THEIRS = (
    *("AWS_", "B2_", "HCLOUD_", "PULUMI_", "RCLONE_", "RESTIC_"),
    "SSH_AUTH_SOCK",  # Pulumi's commands would ask the agent
    *("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"),  # as a hook has them
    *("COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "PY_COLORS"),
)
# How long a test that is over may wait for something at most, such as the end of a process.
_AGAIN = 300
_LIMIT = pytest.StashKey[Any]()

# Machines' folders are for all of their users, whatever the umask of the one who runs the tests.
os.umask(0o022)

if os.environ.get("CLOCK_AHEAD"):
    # `ahead` in tests/stages.py. CPython sleeps until a moment of the monotonic clock, from which libfaketime
    # 0.9.10 takes what it has added to the other one: no such moment comes.
    vars(time)["sleep"] = lambda seconds: select.select([], [], [], seconds)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of our own: what they ask for needs an account, and is never done without them."""
    parser.addoption(
        "--live-hetzner",
        action="store_true",
        help="also hold Hetzner's own API, opened by HCLOUD_TOKEN, to the contract; it is only read",
    )
    parser.addoption(
        "--seed", type=int, help="of the random moments at which tests/vm cuts the power"
    )


def pytest_configure(config: pytest.Config) -> None:
    """No result depends on what the one who runs the tests has set, and no test meets their accounts."""
    live = {"HCLOUD_TOKEN"} if config.getoption("live_hetzner") else set()
    for name in set(os.environ) - live:
        if name.startswith(_THEIRS):
            del os.environ[name]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A limit for each test that has none of its own, unless `--timeout` gives all of them one."""
    if config.getoption("timeout", None) is not None:
        return
    for item in items:
        folder = item.nodeid.removeprefix("tests/").partition("/")[0]
        seconds = _HEAVY if item.get_closest_marker("heavy") else _LIMITS.get(folder)
        if seconds and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(seconds))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before anything is made for a test."""
    needs.check(item)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> Generator[None, object, object]:
    """The alarm comes again and again: a test that it ends may wait for a process in its `finally`."""
    done = yield
    item.stash[_LIMIT] = settings
    if callable(signal.getsignal(signal.SIGALRM)):
        signal.setitimer(signal.ITIMER_REAL, settings.timeout, min(settings.timeout, _AGAIN))
    return done


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """What is taken down has the limit once more: a failure has ended the test's."""
    if limit := item.stash.get(_LIMIT, None):
        item.ihook.pytest_timeout_set_timer(item=item, settings=limit)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure's report has the logs of what is alive."""
    if call.excinfo and _LIMIT in item.stash:
        # The next alarm would end pytest.
        item.ihook.pytest_timeout_cancel_timer(item=item)
    report = yield
    if report.failed:
        report.sections += logs.sections()
    return report
