"""The order of a certificate that fails: nginx and the ACME units as the configuration has them.

There is no network on this host, so no order can succeed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests import stack
from tests.runtime.lone_host import Host, host

_DOMAIN = stack.settings_of().domain
_ORDER = f"acme-order-renew-{_DOMAIN}"
_UNITS = ("nginx", "acme-setup", f"acme-{_DOMAIN}", _ORDER)


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("certificate")) as running:
        running.ok("useradd", "-r", "acme")
        texts = {
            f"unit{n}": f'config.systemd.units."{u}.service".text' for n, u in enumerate(_UNITS)
        }
        for unit, path in zip(_UNITS, running.build(texts).values(), strict=True):
            running.unit(f"{unit}.service", path)
        sooner = "[Service]\nRestartSec=1\n"
        running.write(f"/run/systemd/system/{_ORDER}.service.d/test.conf", sooner)
        running.ok("systemctl", "daemon-reload")
        yield running


def show(on: Host, *names: str) -> dict[str, str]:
    lines = on.ok("systemctl", "show", "-p", ",".join(names), f"{_ORDER}.service").splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_a_failed_order_is_tried_again_and_keeps_nobody_from_starting(lone: Host) -> None:
    lone.ok("systemctl", "start", "nginx.service", f"acme-{_DOMAIN}.service")

    # HTTPS is there, with a certificate that is signed by itself.
    lone.await_port("127.0.0.1", 443)
    asked = ["curl", "-skS", "--resolve", f"{_DOMAIN}:443:127.0.0.1", f"https://{_DOMAIN}/identity"]
    assert "has not been claimed yet" in lone.ok(*asked)

    await_that(lone, NRestarts=set(map(str, range(2, 99))))
    assert lone.journal(_ORDER).count("+ exit 10\n") >= 2, "lego has tried each time"
    # A switch reports this as a unit that failed (status 4), which does not take a change back.
    await_that(lone, SubState={"auto-restart"}, ExecMainStatus={"10"})


def await_that(on: Host, **values: set[str]) -> None:
    deadline = time.monotonic() + 60
    while not all(shown in values[name] for name, shown in show(on, *values).items()):
        assert time.monotonic() < deadline, f"{show(on, *values)}\n{on.journal(_ORDER)}"
        threading.Event().wait(0.05)
