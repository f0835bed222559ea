"""What is true of Hetzner's API and of the stand-in alike, as far as it can be seen by reading.

Against Hetzner's own: `HCLOUD_TOKEN=… python -m pytest tests/runtime/contract --live-hetzner`.
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from hcloud import APIException, Client

from tests.runtime.contract.conftest import Service

Json = dict[str, Any]

_LISTS = (
    "certificates",
    "firewalls",
    "floating_ips",
    "images",
    "load_balancers",
    "locations",
    "networks",
    "placement_groups",
    "primary_ips",
    "server_types",
    "servers",
    "ssh_keys",
    "volumes",
    "zones",
)


def got(service: Service, path: str, **query: str) -> Json:
    answer = service.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    content: Json = answer.json()
    return content


def refused(service: Service, path: str, **query: str) -> tuple[int, str]:
    """Status and code of an error, which has to have the form that clients read."""
    answer = service.http.get(path, params=query)
    assert answer.headers["Content-Type"].startswith("application/json")
    error = answer.json()["error"]
    assert isinstance(error["message"], str)
    return answer.status_code, error["code"]


def test_hetzners_own_api_is_held_to_it(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--live-hetzner"):
        pytest.skip(
            "Hetzner's own API was not asked: --live-hetzner and a token in HCLOUD_TOKEN do"
        )


@pytest.mark.parametrize("kind", _LISTS)
def test_lists_say_which_page_they_are(service: Service, kind: str) -> None:
    content = got(service, f"/{kind}")
    pagination = content["meta"]["pagination"]
    assert (pagination["page"], pagination["per_page"]) == (1, 25)
    assert pagination["previous_page"] is None
    assert len(content[kind]) == min(25, pagination["total_entries"])
    assert (pagination["next_page"] is None) == (pagination["last_page"] in (None, 0, 1))


def test_pages_follow_each_other(service: Service) -> None:
    everything = got(service, "/locations", per_page="50")["locations"]
    assert len(everything) > 3
    first = service.http.get("/locations", params={"per_page": "2"})
    assert 'rel="next"' in first.headers["Link"]
    second = got(service, "/locations", per_page="2", page="2")
    assert first.json()["locations"] + second["locations"] == everything[:4]
    assert second["meta"]["pagination"]["previous_page"] == 1


@pytest.mark.parametrize("kind", _LISTS)
def test_nothing_has_a_name_that_nobody_gave(service: Service, kind: str) -> None:
    assert got(service, f"/{kind}", name="nobody.example")[kind] == []


@pytest.mark.parametrize("kind", ["firewalls", "primary_ips", "servers", "ssh_keys", "zones"])
def test_lists_are_cut_down_by_labels(service: Service, kind: str) -> None:
    assert got(service, f"/{kind}", label_selector="nobody/has=this")[kind] == []
    assert refused(service, f"/{kind}", label_selector="a in b") == (422, "invalid_input")
    assert refused(service, f"/{kind}", sort="colour") == (422, "invalid_input")


@pytest.mark.parametrize(
    "path",
    ["/servers/1", "/images/4000000000", "/locations/9999", "/zones/nobody.example", "/nothing"],
)
def test_what_is_not_there_is_not_found(service: Service, path: str) -> None:
    assert refused(service, path) == (404, "not_found")


@pytest.mark.parametrize("path", ["/actions", "/datacenters"])
def test_what_was_removed_says_so(service: Service, path: str) -> None:
    assert refused(service, path) == (410, "deprecated_api_endpoint")


def test_strangers_stay_outside(service: Service) -> None:
    with pytest.raises(APIException) as caught:
        Client("x" * 64, api_endpoint=service.url, timeout=30).servers.get_all()
    assert caught.value.code == "unauthorized"
    assert httpx.get(f"{service.url}/servers", timeout=30).status_code == 401


def test_every_answer_says_how_many_more_there_may_be(service: Service) -> None:
    headers = service.http.get("/locations").headers
    assert headers["X-Correlation-Id"]
    assert 0 <= int(headers["RateLimit-Remaining"]) < int(headers["RateLimit-Limit"])
    assert int(headers["RateLimit-Reset"]) > datetime(2020, 1, 1, tzinfo=UTC).timestamp()


def test_the_locations_of_the_documentation(service: Service) -> None:
    found = {each.name: each for each in service.client.locations.get_all()}
    for name, zone in (("fsn1", "eu-central"), ("nbg1", "eu-central"), ("hel1", "eu-central")):
        assert found[name].network_zone == zone
        assert found[name].city and found[name].country


@pytest.mark.parametrize("name", ["cx23", "cx33", "cax11"])
def test_server_types_say_where_they_can_be_had(service: Service, name: str) -> None:
    (kind,) = got(service, "/server_types", name=name)["server_types"]
    assert kind["architecture"] == ("arm" if name.startswith("cax") else "x86")
    assert kind["cores"] >= 2 and kind["memory"] >= 4 and kind["disk"] >= 40
    places = {place["name"]: place for place in kind["locations"]}
    assert "fsn1" in places
    for place in places.values():
        assert place["available"] in (True, False)
        assert "deprecation" in place
    assert got(service, f"/server_types/{kind['id']}")["server_type"] == kind


def test_an_address_says_whether_it_is_assigned_to_a_server(service: Service) -> None:
    for ip in got(service, "/primary_ips")["primary_ips"]:
        expected = "unassigned" if ip["assignee_id"] is None else "server"
        assert ip["assignee_type"] == expected


@pytest.mark.parametrize("kind", ["primary_ips", "servers"])
def test_what_is_somewhere_says_its_location_and_no_datacenter(service: Service, kind: str) -> None:
    for each in got(service, f"/{kind}")[kind]:
        assert each["location"]["network_zone"]
        assert "datacenter" not in each


def test_prices_are_decimal_numbers_with_and_without_tax(service: Service) -> None:
    pricing = got(service, "/pricing")["pricing"]
    assert pricing["currency"] in ("EUR", "USD")
    (listed,) = (each for each in pricing["server_types"] if each["name"] == "cx23")
    (kind,) = got(service, "/server_types", name="cx23")["server_types"]
    assert {price["location"] for price in kind["prices"]} >= {"fsn1", "nbg1", "hel1"}
    by_location = {price["location"]: price for price in listed["prices"]}
    for price in kind["prices"]:
        assert price["price_monthly"] == by_location[price["location"]]["price_monthly"]
        for period in ("price_hourly", "price_monthly"):
            net, gross = (Decimal(price[period][key]) for key in ("net", "gross"))
            assert 0 < net <= gross
    assert Decimal(pricing["server_backup"]["percentage"]) > 0
    assert {each["type"] for each in pricing["primary_ips"]} == {"ipv4", "ipv6"}


def test_an_image_is_told_by_its_name_and_architecture(service: Service) -> None:
    ids = set()
    for architecture in ("x86", "arm"):
        query = {"name": "ubuntu-24.04", "architecture": architecture}
        (image,) = got(service, "/images", **query)["images"]
        assert (image["type"], image["status"], image["os_flavor"]) == (
            "system",
            "available",
            "ubuntu",
        )
        assert image["deprecated"] is None
        ids.add(image["id"])
    assert len(ids) == 2
    assert len(got(service, "/images", name="ubuntu-24.04")["images"]) == 2


def test_deprecated_images_are_shown_to_who_asks_for_them(service: Service) -> None:
    def names(**query: str) -> set[str]:
        query |= {"type": "system", "per_page": "50"}
        images = got(service, "/images", **query)["images"]
        return {image["name"] for image in images if image["deprecated"]}

    assert names() == set()
    assert names(include_deprecated="true") != set()


def test_debians_command_line_can_read_it(service: Service, tmp_path: Path) -> None:
    # The oldest client that anybody has: what it reads has to be there still.
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "HCLOUD_ENDPOINT": service.url,
        "HCLOUD_TOKEN": service.token,
    }

    def hcloud(*words: str) -> Any:
        done = subprocess.run(
            ["hcloud", *words, "-o", "json"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    for kind in ("server", "primary-ip", "firewall", "ssh-key"):
        assert isinstance(hcloud(kind, "list"), list | None)
    assert {"fsn1", "nbg1", "hel1"} <= {each["name"] for each in hcloud("location", "list")}
    assert "cx23" in {each["name"] for each in hcloud("server-type", "list")}
    assert "ubuntu-24.04" in {each["name"] for each in hcloud("image", "list")}
    assert hcloud("server-type", "describe", "cx23")["cores"] == 2
