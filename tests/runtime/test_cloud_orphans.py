"""What was made though the answer was lost is named by the next run, with commands that do what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.runtime import cloud_stack
from tests.runtime.cloud_stack import CloudStack
from tests.runtime.hetzner_server import ZONE


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudStack]:
    with cloud_stack.running(tmp_path_factory.mktemp("orphans")) as stack:
        yield stack


def commands(said: str, program: str) -> list[str]:
    """The commands that a message shows, each once."""
    found = re.findall(rf"^ {{4,}}({program} .*)$", said, re.MULTILINE)
    return sorted(dict.fromkeys(found))


def test_what_an_earlier_run_made_unheard_is_named_all_at_once(stack: CloudStack) -> None:
    for path in ("/firewalls", "/ssh_keys", "/primary_ips"):
        stack.api.faults.order(method="POST", path=path, do="lost")
    stack.failed_up("--continue-on-error")
    (firewall,), (key,) = stack.all("firewalls"), stack.all("ssh_keys")
    (ip,) = [ip for ip in stack.all("primary_ips") if not ip["protection"]["delete"]]
    stack.asked()

    said = stack.failed_up("--continue-on-error")

    for each in (firewall, key, ip):
        assert f"{each['name']} (ID {each['id']}, made 20" in said
    assert commands(said, "hcloud") == [
        f"hcloud firewall delete {firewall['id']}",
        f"hcloud primary-ip delete {ip['id']}",
        f"hcloud ssh-key delete {key['id']}",
    ]
    made = {path for method, path in stack.asked() if method == "POST"}
    assert not {"/firewalls", "/ssh_keys", "/primary_ips"} & made

    # One is deleted, as its command would; the others become the stack's.
    stack.api.client.ssh_keys.get_by_id(key["id"]).delete()
    for line in commands(said, "pulumi"):
        if "SshKey" not in line:
            stack.command(line)


def test_what_was_imported_stays_and_is_put_right(stack: CloudStack) -> None:
    before = {name: each["id"] for name, each in stack.resources().items()}
    stack.api.faults.order(method="POST", path="/servers", do="lost")
    stack.api.faults.order(method="POST", path="/zones/*/rrsets", do="lost")
    stack.failed_up("--continue-on-error")

    after = {name: each["id"] for name, each in stack.resources().items()}
    assert before.items() <= after.items()
    assert {"Firewall sandbox", "PrimaryIp sandbox-ipv4", "PrimaryIp sandbox-ipv6"} <= before.keys()
    assert all(ip["protection"]["delete"] for ip in stack.all("primary_ips"))


@pytest.mark.heavy
def test_a_preview_names_a_server_that_is_to_be_deleted(stack: CloudStack) -> None:
    said = stack.preview()
    (server,) = stack.all("servers")
    (record,) = commands(said, "pulumi")
    assert f"hcloud server delete {server['id']}" in commands(said, "hcloud")
    assert "with this stack's labels" in said

    stack.command(record)
    stack.lose_server()
    stack.up()

    (another,) = stack.all("servers")
    assert another["id"] != server["id"]
    ipv4 = another["public_net"]["ipv4"]["ip"]
    assert stack.api.state.records(f"plex.{ZONE}", "A") == (ipv4,)


def test_a_stack_whose_state_is_lost_is_told_to_find_it(stack: CloudStack) -> None:
    for file in stack.engine.backend.rglob("*.json"):
        file.unlink()
    stack.engine.run("stack", "init", cloud_stack.NAME)
    stack.asked()

    said = stack.failed_up("--continue-on-error")

    assert "It is in use: server " in said
    assert "this stack's state was lost, or another stack named sandbox has it" in said
    assert {method for method, _ in stack.asked()} == {"GET"}
    assert not commands(said, "hcloud (?:server|primary-ip|firewall)")
