"""What `new` and `status` ask of Hetzner's API, answered by the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from fleet import money
from fleet.hetzner import Project
from tests.runtime import hetzner_server
from tests.runtime.hetzner_server import TOKEN, ZONE, Api


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with hetzner_server.running(tmp_path_factory.mktemp("api")) as api:
        yield api


def test_a_token_opens_its_project(api: Api) -> None:
    project = Project(TOKEN, api.url)

    assert project.locations["fsn1"] == "Falkenstein, DE"
    assert project.zones() == [ZONE]
    # That it may write was tried, and nothing was made.
    assert ("POST", "/ssh_keys") in api.faults.requests
    assert api.client.ssh_keys.get_all() == []


@pytest.mark.parametrize(
    ("token", "why"), [("x" * 64, "does not take this token"), ("short", "64 letters")]
)
def test_a_wrong_token_is_refused(api: Api, token: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Project(token, api.url)


def test_an_api_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not answer"):
        Project(TOKEN, "http://127.0.0.1:1/v1")


def test_types_that_do_are_listed_with_their_price_there(api: Api) -> None:
    fit = Project(TOKEN, api.url).fit("hel1", 0)

    assert fit["cx23"] == "2 vCPU, 4 GB, disk 40 GB, 3.99 EUR a month"
    assert next(iter(fit)) == "cx23", "the cheapest"
    assert list(fit)[-1].startswith("cax"), "Arm comes last"
    assert not {"cx22", "cpx11", "cx43"} & fit.keys(), "too old, too small, sold out"


def test_a_type_that_does_not_do_is_told_with_the_reason(api: Api) -> None:
    project = Project(TOKEN, api.url)

    assert project.unfit("cx23", "fsn1", 0) is None
    assert "sold out" in str(project.unfit("cx43", "hel1", 0))
    assert "cannot hold cacheGigabytes" in str(project.unfit("cx23", "fsn1", 30))


def test_what_a_stack_costs_is_asked_by_its_labels(api: Api) -> None:
    assert money.ask(TOKEN, api.url, "one") == "Hetzner has no server of this stack"
    kind = api.client.server_types.get_by_name("cx33")
    image = api.client.images.get_by_name_and_architecture("ubuntu-24.04", "x86")
    place = api.client.locations.get_by_name("nbg1")
    assert kind and image and place
    for stack in ("one", "two"):
        labels = {"project": "plex-on-nixos", "stack": stack}
        api.client.servers.create(stack, kind, image, location=place, labels=labels)

    costs = money.ask(TOKEN, api.url, "one")

    assert isinstance(costs, money.Hetzner)
    assert costs == money.Hetzner("EUR", "cx33", Decimal("6.49"), Decimal(0), Decimal(0))
    assert str(money.ask("x" * 64, api.url, "one")).startswith("Hetzner's API answered: ")
    assert "does not answer" in str(money.ask(TOKEN, "http://127.0.0.1:1/v1", "one"))


def test_a_token_that_may_only_read_is_told_before_anything_is_made(api: Api) -> None:
    api.faults.order(method="POST", path="/ssh_keys", do="error", code="token_readonly")

    with pytest.raises(ValueError, match="Read & Write"):
        Project(TOKEN, api.url)
