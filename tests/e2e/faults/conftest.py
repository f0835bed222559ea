"""A host for all faults, one after the other; and a line for each that holds."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest

from tests.e2e.faults import declared
from tests.e2e.faults.host import Host
from tests.e2e.faults.project import Project
from tests.e2e.stack import Stack
from tests.e2e.world import World, world_of_its_own


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with world_of_its_own("faults") as world:
        yield world


_WELL = pytest.StashKey[bool]()


@dataclass
class _Hosts:
    """One host at a time. A fault that does not hold may have spoilt it: then there is another."""

    world: World
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    sound: Host | None = None

    def take(self) -> Host:
        host, self.sound = self.sound or self._new(), None
        return host

    def _new(self) -> Host:
        name = f"faults{next(self.numbers)}"
        project = Project(self.world.state / f"project-{name}")
        host = Host(Stack.make(self.world, name, project.path), project)
        host.settle()
        return host


@pytest.fixture(scope="session")
def hosts(world: World) -> _Hosts:
    return _Hosts(world)


@pytest.fixture
def host(hosts: _Hosts, request: pytest.FixtureRequest) -> Iterator[Host]:
    """The host, which has to serve after the fault, with its library whole."""
    host = hosts.take()
    host.project.reset()
    yield host
    try:
        if request.node.stash.get(_WELL, False):
            host.serves()
            hosts.sound = host
    finally:
        if not hosts.sound:
            print(host.journal())  # noqa: T201 - pytest shows it in its report


class _Lines:
    """Prints one line for each fault that held, as soon as it has, and how many there were."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._faults: dict[str, list[pytest.TestReport]] = {}
        self._held = 0

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        # In the place of a dot there is the line.
        if report.when == "call" and report.passed and _line(report):
            return "passed", "", ""
        return None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not _line(report):
            return
        reports = self._faults.setdefault(report.nodeid, [])
        reports.append(report)
        if report.when == "teardown" and all(each.passed for each in reports):
            self._held += 1
            seconds = sum(each.duration for each in reports if each.when != "setup")
            self._write(f"{_line(report)} | {seconds:.0f} s")

    def pytest_terminal_summary(self) -> None:
        if self._faults:
            self._write(f"faults: {self._held} of {len(self._faults)} held")

    def _write(self, line: str) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if isinstance(terminal, pytest.TerminalReporter):
            terminal.write_line(line)


def _line(report: pytest.TestReport) -> str:
    return str(dict(report.user_properties).get("fault", ""))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Lines(config))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    item.user_properties = [("fault", declared.of(item).line())]
    report = yield
    if report.when == "call":
        item.stash[_WELL] = report.passed
    return report
