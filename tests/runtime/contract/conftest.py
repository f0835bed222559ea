"""The services that the contract is tried on: the stand-in always, Hetzner's own where it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import hcloud
import httpx
import pytest

from tests.runtime.hetzner_server import TOKEN, Api, running

LIVE = "https://api.hetzner.cloud/v1"


@dataclass(frozen=True)
class Service:
    """One place that the API is at, a token that opens it, and two clients."""

    url: str
    token: str
    client: hcloud.Client
    http: httpx.Client


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "service" in metafunc.fixturenames:
        live = ["live"] if metafunc.config.getoption("--live-hetzner") else []
        metafunc.parametrize("service", ["stand-in", *live], indirect=True, scope="session")


@pytest.fixture(scope="session")
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    if request.param == "stand-in":
        with running(tmp_path_factory.mktemp("hetzner")) as api, _at(api.url, TOKEN) as found:
            _fill(api)
            yield found
        return
    if not os.environ.get("HCLOUD_TOKEN"):
        pytest.fail(
            "--live-hetzner needs a token in HCLOUD_TOKEN; one that may only read is enough"
        )
    with _at(LIVE, os.environ["HCLOUD_TOKEN"]) as found:
        yield found


def _fill(api: Api) -> None:
    """A server, and an address that none has: something to read."""
    order = {"name": "films", "server_type": "cx23", "image": "ubuntu-24.04"}
    free = {"name": "free", "type": "ipv4", "location": "fsn1"}
    for path, body in (("/servers", order), ("/primary_ips", free)):
        api.http.post(path, json=body).raise_for_status()


@contextmanager
def _at(url: str, token: str) -> Iterator[Service]:
    client = hcloud.Client(token, api_endpoint=url, timeout=30)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as http:
        yield Service(url, token, client, http)
