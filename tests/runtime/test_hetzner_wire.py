"""The Hetzner stand-in, asked in the very forms that the Pulumi provider uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.runtime.hetzner_server import TOKEN, ZONE, Api, running

# Bodies are plain JSON here, as they are on the wire.
Json = dict[str, Any]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with running(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One for all tests that change nothing."""
    with running(tmp_path_factory.mktemp("hetzner")) as started:
        yield started


def ok(response: httpx.Response) -> Json:
    assert response.is_success, response.text
    content: Json = response.json()
    return content


def finish(api: Api, *actions: Json) -> None:
    """Poll as the provider does, with all ids in one request."""
    ids = "&".join(f"id={action['id']}" for action in actions)
    pending = True
    while pending:
        found = ok(api.http.get(f"/actions?{ids}&page=1&sort=status&sort=id"))["actions"]
        assert sorted(each["id"] for each in found) == sorted(each["id"] for each in actions)
        assert all(each["status"] != "error" for each in found)
        pending = any(each["status"] == "running" for each in found)


def order(api: Api, firewalls: Sequence[Json] = ()) -> Json:
    """POST /servers as the provider sends it: the image by its integer id, the type by its name."""
    query = {"architecture": "x86", "include_deprecated": "true", "name": "ubuntu-24.04"}
    images = ok(api.http.get("/images", params=query))["images"]
    assert [image["architecture"] for image in images] == ["x86"]
    body = {
        "name": "films",
        "server_type": "cx23",
        "image": images[0]["id"],
        "location": "fsn1",
        "user_data": "",
        "labels": {},
        "firewalls": list(firewalls),
        "public_net": {"enable_ipv4": True, "enable_ipv6": True},
    }
    created = ok(api.http.post("/servers", json=body))
    assert created["action"]["status"] == "running"
    finish(api, created["action"], *created["next_actions"])
    return created


def test_posts_without_a_body(api: Api) -> None:
    server = order(api)["server"]
    for command in ("enable_backup", "disable_backup", "poweroff", "poweron", "shutdown"):
        # httpx sends no Content-Type and Content-Length 0, as the provider does.
        response = api.http.post(f"/servers/{server['id']}/actions/{command}")
        assert response.status_code == 201
        finish(api, response.json()["action"])


def test_an_empty_put_gives_the_whole_object(api: Api) -> None:
    server = order(api)["server"]
    given = ok(api.http.get(f"/servers/{server['id']}"))
    assert ok(api.http.put(f"/servers/{server['id']}", json={})) == given
    assert ok(api.http.put(f"/servers/{server['id']}")) == given, "no body is an empty one"
    ip = server["public_net"]["ipv4"]["id"]
    assert ok(api.http.put(f"/primary_ips/{ip}", json={}))["primary_ip"]["ip"] == "203.0.113.11"
    assert ok(api.http.put(f"/zones/{ZONE}", json={}))["zone"]["name"] == ZONE
    assert ok(api.http.put(f"/zones/{ZONE}/rrsets/@/NS", json={}))["rrset"]["type"] == "NS"


def test_a_zone_is_found_by_name_and_an_rrset_by_name_and_type(api: Api) -> None:
    zone = ok(api.http.get(f"/zones/{ZONE}"))["zone"]
    assert ok(api.http.get(f"/zones/{zone['id']}"))["zone"] == zone
    body = {
        "name": "www",
        "type": "A",
        "labels": {},
        "records": [{"value": "203.0.113.11", "comment": ""}],
    }
    created = ok(api.http.post(f"/zones/{ZONE}/rrsets", json=body))
    finish(api, created["action"])
    rrset = ok(api.http.get(f"/zones/{ZONE}/rrsets/www/A"))["rrset"]
    assert rrset == created["rrset"]
    assert (rrset["id"], rrset["ttl"], rrset["zone"]) == ("www/A", None, zone["id"])
    deleted = api.http.delete(f"/zones/{ZONE}/rrsets/www/A")
    finish(api, ok(deleted)["action"])
    assert api.http.get(f"/zones/{ZONE}/rrsets/www/A").status_code == 404


def test_deletions_answer_what_the_provider_can_read(api: Api) -> None:
    server = order(api)["server"]
    finish(api, ok(api.http.delete(f"/servers/{server['id']}"))["action"])
    finish(api, ok(api.http.delete(f"/zones/{ZONE}"))["action"])
    firewall = ok(api.http.post("/firewalls", json={"name": "f", "rules": []}))["firewall"]
    assert api.http.delete(f"/firewalls/{firewall['id']}").status_code == 204
    body = {"name": "a", "type": "ipv4", "location": "fsn1", "labels": {}, "auto_delete": False}
    ip = ok(api.http.post("/primary_ips", json=body))["primary_ip"]
    assert api.http.delete(f"/primary_ips/{ip['id']}").status_code == 204


def test_nothing_is_left_out_of_a_server(api: Api) -> None:
    order(api)
    (server,) = ok(api.http.get("/servers"))["servers"]
    for field in ("iso", "backup_window", "placement_group"):
        assert server[field] is None
    for field in ("volumes", "private_net", "load_balancers"):
        assert server[field] == []
    assert server["public_net"]["floating_ips"] == []
    assert server["location"]["name"] == "fsn1"
    assert server["image"]["name"] == "ubuntu-24.04"
    assert server["server_type"]["locations"][0]["name"] == "fsn1"
    assert "datacenter" not in server


def test_an_address_is_assigned_by_the_id_and_the_type_of_its_assignee(api: Api) -> None:
    server = order(api)["server"]
    body = {"name": "a", "type": "ipv4", "location": "fsn1", "labels": {}}
    # What clients of before August 2026 send is still taken.
    old = ok(api.http.post("/primary_ips", json=body | {"assignee_type": "server"}))["primary_ip"]
    assert (old["assignee_id"], old["assignee_type"]) == (None, "unassigned")
    assert "datacenter" not in old

    def fields(path: str, body: Json) -> list[str]:
        error = api.http.post(path, json=body).json()["error"]
        return [field["name"] for field in error["details"]["fields"]]

    to = {"assignee_id": server["id"]}
    assert fields(f"/primary_ips/{old['id']}/actions/assign", to) == ["assignee_type"]
    new = {"name": "b", "type": "ipv4", **to}
    assert fields("/primary_ips", new) == ["assignee_type"]
    both = {"location": "fsn1", "assignee_type": "server"}
    assert fields("/primary_ips", new | both) == ["location"]
    datacenter = {"name": "b", "type": "ipv4", "datacenter": "fsn1-dc14"}
    assert fields("/primary_ips", datacenter) == ["location"]


@pytest.mark.parametrize(
    ("status", "code", "method", "path", "body"),
    [
        (400, "json_error", "POST", "/ssh_keys", b"{"),
        (422, "invalid_input", "POST", "/ssh_keys", b"[]"),
        (422, "invalid_input", "POST", "/ssh_keys", b"{}"),
        (422, "invalid_input", "POST", "/servers", b'{"name":"a b","server_type":"x","image":1}'),
        (404, "not_found", "GET", "/servers/1", b""),
        (404, "not_found", "GET", "/no_such_thing", b""),
        (404, "not_found", "GET", "/zones/other.example", b""),
        (404, "not_found", "DELETE", "/firewalls/1", b""),
        (405, "method_not_allowed", "DELETE", "/ssh_keys", b""),
        (410, "deprecated_api_endpoint", "GET", "/actions", b""),
        (422, "invalid_input", "GET", "/servers?page=0", b""),
        (422, "invalid_input", "GET", "/servers?sort=colour", b""),
    ],
)
def test_every_error_has_its_status_and_details(
    untouched: Api, status: int, code: str, method: str, path: str, body: bytes
) -> None:
    response = untouched.http.request(method, path, content=body)
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("application/json")
    assert response.headers["X-Correlation-Id"]
    error = response.json()["error"]
    assert error["code"] == code
    # Without this key the provider panics, and takes every other resource down with it.
    assert "details" in error
    if code == "invalid_input":
        assert all(field["name"] and field["messages"] for field in error["details"]["fields"])


def test_refusals_have_the_documented_status(api: Api) -> None:
    rule = {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["::/0"]}
    firewall = ok(api.http.post("/firewalls", json={"name": "f", "rules": [rule]}))["firewall"]
    server = order(api, firewalls=[{"firewall": firewall["id"]}])["server"]
    path = f"/servers/{server['id']}"

    def status(method: str, path: str, body: Json | None = None) -> tuple[int, str]:
        response = api.http.request(method, path, json=body)
        return response.status_code, response.json()["error"]["code"]

    ip = f"/primary_ips/{server['public_net']['ipv4']['id']}"
    assert status("DELETE", ip) == (422, "must_be_unassigned")
    assert status("POST", f"{ip}/actions/unassign") == (422, "server_not_stopped")
    assert status("DELETE", f"/firewalls/{firewall['id']}") == (422, "resource_in_use")
    assert status("POST", "/firewalls", {"name": "f"}) == (409, "uniqueness_error")
    api.machines.stuck = True
    action = ok(api.http.post(f"{path}/actions/reset"))["action"]
    assert status("POST", f"{path}/actions/enable_backup") == (423, "locked")
    api.machines.stuck = False
    finish(api, action)
    both = {"delete": True, "rebuild": True}
    finish(api, ok(api.http.post(f"{path}/actions/change_protection", json=both))["action"])
    assert status("DELETE", path) == (423, "protected")


def test_a_page_links_to_its_neighbours(untouched: Api) -> None:
    response = untouched.http.get("/server_types", params={"per_page": "2", "page": "2"})
    assert (
        f'<{untouched.url}/server_types?per_page=2&page=3>; rel="next"' in response.headers["Link"]
    )
    assert (
        f'<{untouched.url}/server_types?per_page=2&page=1>; rel="prev"' in response.headers["Link"]
    )


@pytest.mark.parametrize(
    "given", ["", f"bearer {TOKEN}", TOKEN, "Bearer", f"Bearer {TOKEN[1:]}", "Bearer \u00fc"]
)
def test_only_the_whole_token_opens(untouched: Api, given: str) -> None:
    response = httpx.get(f"{untouched.url}/servers", headers={b"Authorization": given.encode()})
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "unauthorized"
