"""Several servers in one project and one zone, installed at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox import visit
from tests.e2e.stack import Stack
from tests.e2e.world import World

pytestmark = pytest.mark.heavy

Another = Callable[[str], Stack]


def test_a_second_and_a_third_server_are_installed_beside_the_first(
    world: World, another: Another
) -> None:
    first = another("first")
    first.up()
    others = [another("second"), another("third")]
    with ThreadPoolExecutor() as at_once:
        list(at_once.map(Stack.up, others))
    stacks = [first, *others]
    addresses = {stack.name: stack.outputs() for stack in stacks}
    assert len({outputs["ipv4"] for outputs in addresses.values()}) == 3
    assert len({outputs["ipv6"] for outputs in addresses.values()}) == 3
    assert len({outputs["knownHosts"].split()[-1] for outputs in addresses.values()}) == 3
    for stack in stacks:
        assert stack.ssh("sudo cat /var/lib/host/stack").strip() == stack.name
        assert "One Note" in stack.ssh("ls -R /mnt/media")
        visit.wait_for_certificate(stack.url, state=world.state)
        page = visit.fetch(stack.url, state=world.state).decode()
        assert f"owner@{stack.name}.films.sandbox" in page


def test_a_change_of_one_leaves_the_others_alone(another: Another) -> None:
    systems = {
        name: another(name).ssh("readlink /run/current-system") for name in ("first", "third")
    }
    second = another("second")
    second.set("timeZone", "Europe/Berlin")
    second.up()
    assert second.ssh("date +%Z").strip() in ("CET", "CEST")
    for name, system in systems.items():
        assert another(name).ssh("readlink /run/current-system") == system
