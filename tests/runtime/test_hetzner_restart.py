"""The Hetzner stand-in after it was down: what is on disk counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hcloud.actions import BoundAction
from hcloud.firewalls import FirewallRule
from hcloud.images import Image
from hcloud.server_types import ServerType
from hcloud.servers import BoundServer, CreateServerResponse

from sandbox.hetzner.app import create_app
from sandbox.hetzner.resume import settle
from sandbox.hetzner.state import State
from tests.runtime.hetzner_server import ZONE, Api, FakeMachines, known, running


def order(api: Api) -> CreateServerResponse:
    return api.client.servers.create("films", ServerType(name="cx23"), Image(name="ubuntu-24.04"))


def started(api: Api) -> BoundServer:
    created = order(api)
    for action in [created.action, *created.next_actions]:
        action.wait_until_finished()
    return created.server


def restarted(machines: FakeMachines) -> FakeMachines:
    """The machines after the computer was switched off: their disks are there, their power is not."""
    return FakeMachines(specs=dict(machines.specs))


def test_everything_is_still_there(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        rule = FirewallRule("in", "tcp", source_ips=["0.0.0.0/0"], port="22")
        firewall = api.client.firewalls.create("films", rules=[rule]).firewall
        made = api.client.servers.create(
            "films", ServerType(name="cx23"), Image(name="ubuntu-24.04"), firewalls=[firewall]
        )
        made.next_actions[0].wait_until_finished()
        made.server.change_protection(delete=True, rebuild=True).wait_until_finished()
        made.server.enable_backup().wait_until_finished()
        paths = ("/servers", "/primary_ips", "/firewalls", "/zones", f"/zones/{ZONE}/rrsets")
        server_id = known(made.server.id)
        before = {path: api.http.get(path).json() for path in paths}
        machines = restarted(api.machines)
    with running(tmp_path, machines) as api:
        assert {path: api.http.get(path).json() for path in paths} == before
        assert api.machines.calls == ["power_on"]
        assert api.machines.rules[server_id] == api.state.firewall_rules(server_id)
        assert len(api.machines.rules[server_id] or ()) == 1
        newer = api.client.firewalls.create("more").firewall
        assert known(newer.id) > known(made.next_actions[0].id), "an id must never come back"


def interrupted(api: Api, call: str, request: Callable[[], BoundAction]) -> BoundAction:
    """The action of a request that the machine is busy with when the stand-in goes down."""
    api.machines.stuck = True
    action = request()
    deadline = time.monotonic() + 10
    while call not in api.machines.calls:
        assert time.monotonic() < deadline, f"the machine was never told to {call}"
        time.sleep(0.005)
    return action


def test_a_creation_that_was_interrupted_is_done_again(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        start = interrupted(api, "create", lambda: order(api).next_actions[0])
        machines = restarted(api.machines)
    with running(tmp_path, machines) as api:
        assert api.machines.calls == ["delete", "create"]
        assert api.client.actions.get_by_id(start.id).status == "success"
        assert [server.status for server in api.client.servers.get_all()] == ["running"]


def test_a_deletion_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        action = interrupted(api, "delete", started(api).delete)
        machines = restarted(api.machines)
    with running(tmp_path, machines) as api:
        assert api.machines.calls == ["delete"]
        assert api.client.actions.get_by_id(action.id).status == "success"
        assert api.client.servers.get_all() == []
        assert api.client.primary_ips.get_all() == []


def test_a_rebuild_that_was_interrupted_begins_with_an_empty_disk(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        made = started(api)
        image = Image(name="debian-12")
        action = interrupted(api, "rebuild", lambda: made.rebuild(image).action)
        machines = restarted(api.machines)
    with running(tmp_path, machines) as api:
        assert api.machines.calls == ["delete", "create"]
        assert api.machines.specs[known(made.id)].image == "debian-12"
        assert api.client.actions.get_by_id(action.id).status == "success"


def test_a_type_that_was_not_changed_in_time_has_not_been_changed(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        made = started(api)
        made.power_off().wait_until_finished()
        larger = ServerType(name="cx33")
        action = interrupted(api, "resize", lambda: made.change_type(larger, upgrade_disk=True))
        machines = restarted(api.machines)
    with running(tmp_path, machines) as api:
        assert api.machines.calls == ["power_on"]
        ended = api.client.actions.get_by_id(action.id)
        assert ended.status == "error"
        again = api.client.servers.get_by_id(known(made.id))
        assert again.server_type is not None
        assert (again.status, again.server_type.name) == ("running", "cx23")


def test_a_power_off_that_was_interrupted_has_happened(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        action = interrupted(api, "power_off", started(api).power_off)
        machines = restarted(api.machines)
    with running(tmp_path, machines) as api:
        assert api.machines.calls == []
        assert api.client.actions.get_by_id(action.id).status == "success"
        assert [server.status for server in api.client.servers.get_all()] == ["off"]


def test_a_machine_that_does_not_come_back_says_so(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        action = interrupted(api, "reset", started(api).reset)
        machines = restarted(api.machines)
        machines.broken = "its disk is gone"
    with running(tmp_path, machines) as api:
        ended = api.client.actions.get_by_id(action.id)
        assert ended.status == "error"
        assert ended.error is not None and ended.error["message"] == "its disk is gone"
        assert [server.status for server in api.client.servers.get_all()] == ["off"]


def test_a_server_that_was_off_stays_off(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        switched_off = started(api)
        switched_off.power_off().wait_until_finished()
        machines = restarted(api.machines)
    with running(tmp_path, machines) as api:
        assert api.machines.calls == []
        assert api.client.servers.get_by_id(known(switched_off.id)).status == "off"


def test_a_system_that_switched_itself_off_is_not_started_again(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        server = started(api)
        api.machines.powered.discard(known(server.id))
        settle(api.state, api.machines)
        machines = restarted(api.machines)
    with running(tmp_path, machines) as api:
        assert api.machines.calls == []


def test_zones_are_seeded_once(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        api.client.zones.get(ZONE).delete().action.wait_until_finished()
    with running(tmp_path) as api:
        assert api.client.zones.get_all() == []


def test_what_is_on_disk_is_nobody_elses_business(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        started(api)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    # user_data holds the install's host key.
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert not [path for path in files if path.suffix != ".json"]


def test_a_token_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="63 characters, not 64"):
        create_app(State(tmp_path), FakeMachines(), token="x" * 63)
