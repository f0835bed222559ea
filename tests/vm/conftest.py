"""One host for all of these tests, which each of them finds as it was installed."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests import logs
from tests.e2e.world import world_of_its_own
from tests.vm.host import Fallen, Host, Moments, install

_SAVED = "healthy"
_PANICKED = "panicked"
# Without its initial RAM disk's first process a kernel looks for a root file system itself, and has none.
_PANICS = """{ lib, ... }:
{
  boot.kernelParams = lib.mkAfter [ "rdinit=/nowhere" "panic=3" ];
}
"""


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    # With -q there is no header.
    terminalreporter.write_line(f"power failed at the moments of --seed={_seed(config)}")


def _seed(config: pytest.Config) -> int:
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().randrange(1_000_000)
    return int(config.option.seed)


@pytest.fixture(scope="session")
def moments(request: pytest.FixtureRequest) -> Moments:
    return Moments(_seed(request.config))


@pytest.fixture(scope="session")
def installed() -> Iterator[Host]:
    with world_of_its_own("vm") as world:
        host = install(world)
        try:
            with logs.told(lambda: [host.vm.console]):
                yield host
        finally:
            host.vm.kill()


@pytest.fixture
def host(installed: Host) -> Host:
    """The host, healthy, with an owner and a library, in the container."""
    installed.back()
    return installed


@pytest.fixture(scope="session")
def saved(installed: Host) -> Host:
    """The same host up in the virtual machine, where it was saved."""
    installed.back()
    installed.into_vm(_SAVED)
    installed.until_up()
    installed.save()
    return installed


@pytest.fixture
def running(saved: Host) -> Host:
    """The host as it was saved, in the virtual machine."""
    saved.load(_SAVED)
    return saved


@pytest.fixture(scope="session")
def panicked(installed: Host) -> Fallen:
    host = installed
    host.back()
    fallen = Fallen(host, host.system(), host.schema())
    host.pin_newer_nixpkgs()  # with another Plex, which changes the databases
    host.project.module("panics", _PANICS)
    host.up()
    assert host.status("state") == "pending"
    assert host.schema() != fallen.schema
    host.into_vm(_PANICKED)
    host.vm.until_said("Kernel panic - not syncing: VFS: Unable to mount root fs")
    host.until_up()
    host.save()
    return fallen


@pytest.fixture
def fallen(panicked: Fallen) -> Fallen:
    """The host that has met a panic, as it was saved."""
    panicked.host.load(_PANICKED)
    return panicked
