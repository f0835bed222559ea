"""What a project may not have, and not ask too often, at the Hetzner stand-in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from sandbox.hetzner.limits import Limits
from tests.runtime.hetzner_server import Api, running

_ORDER = {"server_type": "cx23", "image": "ubuntu-24.04"}


def refused(api: Api, path: str, body: dict[str, Any]) -> tuple[int, str]:
    answer = api.http.post(path, json=body)
    return answer.status_code, answer.json()["error"]["code"]


def test_a_project_has_so_many_servers_and_addresses_and_no_more(tmp_path: Path) -> None:
    with running(tmp_path, limits=Limits(servers=2, primary_ips=3)) as api:
        assert api.http.post("/servers", json={"name": "a", **_ORDER}).status_code == 201
        too_many = refused(api, "/servers", {"name": "b", **_ORDER})
        assert too_many == (403, "resource_limit_exceeded"), "it would need two addresses more"
        one = {"name": "b", **_ORDER, "public_net": {"enable_ipv4": False}}
        assert api.http.post("/servers", json=one).status_code == 201
        address = {"name": "c", "type": "ipv4", "location": "fsn1"}
        assert refused(api, "/primary_ips", address) == (403, "resource_limit_exceeded")
        for ip in api.client.primary_ips.get_all():
            if ip.type == "ipv4":
                # Nothing is free without a server that is off: this one goes with its server.
                api.client.servers.get_all()[0].delete().wait_until_finished()
        assert api.http.post("/primary_ips", json=address).status_code == 201
        assert [server.name for server in api.client.servers.get_all()] == ["b"]


def test_a_project_asks_so_often_and_no_more(tmp_path: Path) -> None:
    with running(tmp_path, limits=Limits(requests=3)) as api:
        assert api.http.get("/servers", headers={"Authorization": "x"}).status_code == 401
        answers = [api.http.get("/servers") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        left = [answer.headers["RateLimit-Remaining"] for answer in answers]
        assert left == ["2", "1", "0", "0"]
        assert answers[-1].headers["RateLimit-Limit"] == "3"
        assert int(answers[-1].headers["RateLimit-Reset"]) > time.time() + 3000
        assert answers[-1].json()["error"]["code"] == "rate_limit_exceeded"


def test_what_was_asked_is_forgotten_in_time(tmp_path: Path) -> None:
    # One in 20 milliseconds.
    with running(tmp_path, limits=Limits(requests=180_000)) as api:
        first = int(api.http.get("/servers").headers["RateLimit-Remaining"])
        time.sleep(0.1)
        assert int(api.http.get("/servers").headers["RateLimit-Remaining"]) >= first


def test_a_server_has_five_firewalls_at_most(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        numbers = [
            api.http.post("/firewalls", json={"name": f"f{n}"}).json()["firewall"]["id"]
            for n in range(6)
        ]
        order = {"name": "a", **_ORDER, "firewalls": [{"firewall": each} for each in numbers]}
        assert refused(api, "/servers", order) == (403, "resource_limit_exceeded")
        created = api.http.post("/servers", json={**order, "firewalls": order["firewalls"][:5]})
        target = {"type": "server", "server": {"id": created.json()["server"]["id"]}}
        more = refused(
            api, f"/firewalls/{numbers[5]}/actions/apply_to_resources", {"apply_to": [target]}
        )
        assert more == (403, "resource_limit_exceeded")
        twice = {"name": "twice", "apply_to": [target, target]}
        assert refused(api, "/firewalls", twice) == (422, "server_already_added")


def test_an_address_is_protected_or_goes_with_its_server(tmp_path: Path) -> None:
    with running(tmp_path) as api:
        body = {"name": "a", "type": "ipv4", "location": "fsn1", "auto_delete": True}
        ip = api.http.post("/primary_ips", json=body).json()["primary_ip"]["id"]
        protect = (f"/primary_ips/{ip}/actions/change_protection", {"delete": True})
        assert refused(api, *protect) == (422, "invalid_input")
        api.http.put(f"/primary_ips/{ip}", json={"auto_delete": False})
        action = api.http.post(protect[0], json=protect[1]).json()["action"]
        api.client.actions.get_by_id(action["id"]).wait_until_finished()
        assert api.http.put(f"/primary_ips/{ip}", json={"auto_delete": True}).status_code == 422
        assert api.http.delete(f"/primary_ips/{ip}").status_code == 423


@pytest.mark.parametrize("path", ["/networks", "/volumes"])
def test_what_is_not_made_here_cannot_be_ordered(tmp_path: Path, path: str) -> None:
    with running(tmp_path) as api:
        assert refused(api, path, {"name": "a"}) == (405, "method_not_allowed")
