"""The program and the cloud over a stack's life: nothing, a server, one that has vanished, the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.paths import REPO
from tests.runtime import cloud_stack
from tests.runtime.cloud_stack import CloudStack, RunFailed
from tests.runtime.hetzner_server import ZONE
from tests.warned import warned


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudStack]:
    with cloud_stack.running(tmp_path_factory.mktemp("life")) as stack:
        yield stack


def test_everything_is_made_as_the_stack_has_it(stack: CloudStack) -> None:
    printed = stack.up()

    assert warned(printed) == []
    (server,) = stack.all("servers")
    assert server["status"] == "running"
    assert server["backup_window"]
    assert server["protection"] == {"delete": True, "rebuild": True}
    ipv4 = server["public_net"]["ipv4"]["ip"]
    assert stack.api.state.records(f"plex.{ZONE}", "A") == (ipv4,)
    assert stack.api.state.pointer(ipv4) == f"plex.{ZONE}"


def test_with_a_refresh_too_nothing_is_left_to_do(stack: CloudStack) -> None:
    # By now a server has the addresses, which the state knows as free.
    stack.asked()
    printed = stack.up("--refresh")

    assert warned(printed) == []
    assert {method for method, _ in stack.asked()} == {"GET"}


def test_a_protected_stack_is_not_destroyed_and_nothing_is_sent(stack: CloudStack) -> None:
    stack.asked()
    for words in ([], ["--skip-preview"]):
        with pytest.raises(RunFailed, match="because it is protected"):
            stack.destroy(*words)

        assert stack.asked() == []


def test_a_run_without_a_change_asks_nothing_and_so_does_not_see_a_server_vanish(
    stack: CloudStack,
) -> None:
    stack.lose_server()
    stack.asked()

    printed = stack.up()

    assert stack.asked() == []
    assert warned(printed) == []


def test_with_a_refresh_it_is_made_again_at_its_addresses(stack: CloudStack) -> None:
    before = {each["id"]: each["ip"] for each in stack.all("primary_ips")}
    (firewall,) = stack.all("firewalls")

    printed = stack.up("--refresh")

    assert warned(printed) == []
    (server,) = stack.all("servers")
    net = server["public_net"]
    assert {net[kind]["id"]: net[kind]["ip"] for kind in ("ipv4", "ipv6")} == before
    assert [each["id"] for each in net["firewalls"]] == [firewall["id"]]
    assert server["backup_window"]
    assert server["protection"] == {"delete": True, "rebuild": True}


def test_a_new_deploy_key_takes_the_place_of_the_old_one(stack: CloudStack) -> None:
    (server,), (before,) = stack.all("servers"), stack.all("ssh_keys")

    stack.up("--replace", "**RandomBytes::*-deploy")

    (key,) = stack.all("ssh_keys")
    assert key["fingerprint"] != before["fingerprint"]
    assert [each["id"] for each in stack.all("servers")] == [server["id"]]


def test_without_protection_everything_goes(stack: CloudStack) -> None:
    stack.configure(protect=False)
    printed = stack.up()
    printed += stack.destroy("--skip-preview")

    assert warned(printed) == []

    for kind in ("servers", "primary_ips", "firewalls", "ssh_keys"):
        assert stack.all(kind) == [], kind
    assert stack.api.state.records(f"plex.{ZONE}", "A") == ()


def test_a_zone_that_is_not_there_is_said_in_the_preview(stack: CloudStack) -> None:
    stack.configure(domain="plex.films.test", dnsZone="films.test")

    with pytest.raises(RunFailed, match=r"dnsZone: films\.test is no zone of the project"):
        stack.preview()


@pytest.mark.heavy
def test_a_release_without_updates_is_told_once_in_a_run(tmp_path: Path) -> None:
    pins = json.loads((REPO / "tests/pins.json").read_text())
    url = "https://releases.nixos.org/nixos/20.05/nixos-20.05.1.0123456789ab/nixexprs.tar.xz"
    hashed = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    pins["nixpkgs"] = {"20.05": {"url": url, "sha256": hashed}}
    (tmp_path / "pins.json").write_text(json.dumps(pins))

    with cloud_stack.running(
        tmp_path / "stack", nixosRelease="20.05", pins=str(tmp_path / "pins.json")
    ) as stack:
        for printed in (stack.preview(), stack.up_with_preview()):
            said = [line.strip() for line in printed.splitlines() if "NixOS 20.05" in line]
            # Beside the lines that come and go in a terminal.
            assert [line.startswith("warning: nixosRelease: ") for line in said].count(True) == 1
