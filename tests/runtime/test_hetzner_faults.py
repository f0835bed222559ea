"""What the Hetzner stand-in does wrong when it is told to, as its clients see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hcloud.actions import ActionFailedException

from sandbox.hetzner.faults import create_control
from tests.runtime.hetzner_server import TOKEN, Api, running
from tests.runtime.serving import served

_ORDER = {"name": "films", "server_type": "cx23", "image": "ubuntu-24.04"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("hetzner")) as started:
        yield started


@pytest.fixture
def api(project: Api) -> Iterator[Api]:
    """The API, with nothing ordered and without servers."""
    yield project
    project.faults.clear()
    for server in project.client.servers.get_all():
        server.delete().wait_until_finished()
    project.faults.requests.clear()


@pytest.fixture(scope="module")
def control(project: Api) -> Iterator[str]:
    with served(create_control(project.faults)) as url:
        yield url


def test_an_error_is_answered_as_often_as_it_was_ordered(api: Api) -> None:
    api.faults.order(method="GET", path="/servers", do="error", code="rate_limit_exceeded", times=2)
    assert api.http.get("/firewalls").status_code == 200
    assert api.http.post("/servers", json=_ORDER).status_code == 201
    for _ in range(2):
        refused = api.http.get("/servers?name=films")
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert refused.headers["X-Correlation-Id"]
    assert api.http.get("/servers").status_code == 200


def test_an_error_can_last_until_it_is_taken_back(api: Api) -> None:
    api.faults.order(do="error", times=None)
    assert [api.http.get("/servers").status_code for _ in range(3)] == [500, 500, 500]
    api.faults.clear()
    assert api.http.get("/servers").status_code == 200


def test_a_rotated_token_is_the_only_one(api: Api, control: str) -> None:
    new = {"Authorization": f"Bearer {'rotated0' * 8}"}
    assert api.http.get("/servers", headers=new).status_code == 401
    httpx.put(f"{control}/token", content="rotated0" * 8)
    assert api.http.get("/servers").json()["error"]["code"] == "unauthorized"
    assert api.http.get("/servers", headers=new).status_code == 200
    httpx.delete(f"{control}/token")
    assert api.http.get("/servers").status_code == 200
    assert api.http.get("/servers", headers=new).status_code == 401


def test_a_page_is_no_json(api: Api) -> None:
    api.faults.order(do="html", status=504)
    answer = api.http.get("/servers")
    assert answer.status_code == 504
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_slow_answer_is_a_right_one(api: Api) -> None:
    api.faults.order(do="slow", seconds=10)
    with pytest.raises(httpx.ReadTimeout):
        api.http.get("/servers", timeout=0.1)
    api.faults.order(do="slow", seconds=0.1)
    assert api.http.get("/servers").json()["servers"] == []


def test_what_is_never_answered_was_never_done(api: Api) -> None:
    api.faults.order(method="POST", do="never")
    with pytest.raises(httpx.ReadTimeout):
        api.http.post("/servers", json=_ORDER, timeout=0.1)
    assert api.http.get("/servers").json()["servers"] == []


def test_a_lost_answer_leaves_what_was_done(api: Api) -> None:
    api.faults.order(method="POST", do="lost")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        api.http.post("/firewalls", json={"name": "f"})
    assert [each["name"] for each in api.http.get("/firewalls").json()["firewalls"]] == ["f"]
    assert api.http.post("/firewalls", json={"name": "f"}).status_code == 409


def test_one_action_of_several_fails_and_what_it_is_for_is_missing(api: Api) -> None:
    api.faults.order(path="/servers", do="failed_action", command="start_*")
    created = api.http.post("/servers", json=_ORDER).json()
    start, server = created["next_actions"][0]["id"], created["server"]["id"]
    api.client.actions.get_by_id(created["action"]["id"]).wait_until_finished()
    with pytest.raises(ActionFailedException):
        api.client.actions.get_by_id(start).wait_until_finished()
    assert api.client.servers.get_by_id(server).status == "off"
    assert api.machines.specs == {}


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("enable_backup", {}),
        ("change_protection", {"delete": True, "rebuild": True}),
        ("change_dns_ptr", {"ip": "203.0.113.11", "dns_ptr": "films.example"}),
        ("poweroff", {}),
        ("rebuild", {"image": "debian-12"}),
    ],
)
def test_an_action_that_fails_changes_nothing(api: Api, command: str, body: dict[str, Any]) -> None:
    created = api.http.post("/servers", json=_ORDER).json()
    api.client.actions.get_by_id(created["next_actions"][0]["id"]).wait_until_finished()
    path = f"/servers/{created['server']['id']}"
    before = api.http.get(path).json()
    api.faults.order(path=f"{path}/*", do="failed_action")
    begun = api.http.post(f"{path}/actions/{command}", json=body).json()["action"]["id"]
    with pytest.raises(ActionFailedException):
        api.client.actions.get_by_id(begun).wait_until_finished()
    assert api.http.get(path).json() == before


def test_requests_are_remembered(api: Api) -> None:
    api.http.get("/servers?name=films")
    httpx.delete(f"{api.url}/firewalls/1", headers={"Authorization": f"Bearer {TOKEN}"})
    assert api.faults.requests == [("GET", "/servers"), ("DELETE", "/firewalls/1")]


def test_orders_are_taken_on_a_port_of_their_own(api: Api, control: str) -> None:
    wanted = {"method": "POST", "path": "/servers", "do": "error", "code": "conflict"}
    assert httpx.post(f"{control}/faults", json=wanted).status_code == 204
    assert httpx.get(f"{control}/faults").json()[0].items() >= wanted.items()
    assert api.http.post("/servers", json=_ORDER).status_code == 409
    assert httpx.get(f"{control}/faults").json() == []
    httpx.post(f"{control}/faults", json=wanted)
    assert httpx.delete(f"{control}/faults").status_code == 204
    assert api.faults.orders == []
    assert httpx.get(f"{control}/requests").json() == [{"method": "POST", "path": "/servers"}]
    httpx.delete(f"{control}/requests")
    assert api.faults.requests == []


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"do": "wrong"}, "'slow', 'error'"),
        ({"do": "error", "code": "nonsense"}, "code: must be one of"),
        ({"do": "error", "seconds": 1}, "seconds: not for 'error'"),
        ({"do": "never", "times": 0}, "times"),
        ({"do": "never", "paths": "/servers"}, "paths"),
    ],
)
def test_an_order_that_means_nothing_is_refused(
    api: Api, control: str, wanted: dict[str, Any], said: str
) -> None:
    refused = httpx.post(f"{control}/faults", json=wanted)
    assert refused.status_code == 422
    assert said in refused.json()["error"]
    assert api.faults.orders == []
