"""Memory: what systemd makes of the units' limits.

Whether they hold is not tried here: with the first version of control groups nobody enforces them, and a
machine of the sandbox may not protect a process more than its computer does.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runtime.lone_host import Host, host

_UNITS = ("media", "nginx", "plex", "sshd")
# As submit.sh starts the supervisor.
_SUPERVISOR = """
name=test unit=supervisor work=/run/supervisor
. /etc/nixos/host/session.sh
start sleep 1000
"""


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("memory")) as running:
        units = {name: f'config.systemd.units."{name}.service".text' for name in _UNITS}
        for name, path in running.build(units).items():
            running.unit(f"host-{name}.service", path)  # Debian has an sshd.service too
        yield running


def show(on: Host, unit: str, *names: str) -> list[str]:
    return [on.ok("systemctl", "show", "-P", name, unit).strip() for name in names]


def test_systemd_takes_every_limit(lone: Host) -> None:
    total = int(lone.ok("sed", "-En", "s/^MemTotal: *([0-9]+) kB/\\1/p", "/proc/meminfo")) * 1024

    for unit in ("plex", "media", "nginx"):
        high, most = (int(text) for text in show(lone, f"host-{unit}", "MemoryHigh", "MemoryMax"))
        assert 0 < high < most < 0.75 * total, unit
    assert show(lone, "host-plex", "OOMScoreAdjust", "OOMPolicy") == ["500", "continue"]
    assert show(lone, "host-sshd", "OOMScoreAdjust", "OOMPolicy") == ["-100", "continue"]


def test_the_supervisor_comes_as_late_as_sshd(lone: Host) -> None:
    lone.ok("sh", "-euc", _SUPERVISOR)
    try:
        assert show(lone, "supervisor", "OOMScoreAdjust", "OOMPolicy") == ["-100", "continue"]
    finally:
        lone.ok("systemctl", "stop", "supervisor")
