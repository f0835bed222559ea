"""What a creation that failed half-way leaves out is noticed by the next run, and made up for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runtime import cloud_stack
from tests.runtime.cloud_stack import CloudStack
from tests.runtime.hetzner_server import ZONE


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudStack]:
    with cloud_stack.running(tmp_path_factory.mktemp("half-made")) as stack:
        yield stack


def unprotected(stack: CloudStack) -> list[int]:
    """The addresses that Hetzner would delete, by their ids."""
    return [ip["id"] for ip in stack.all("primary_ips") if not ip["protection"]["delete"]]


def test_an_address_whose_creation_failed_is_named_and_not_made_again(stack: CloudStack) -> None:
    stack.api.faults.order(method="POST", path="/primary_ips", do="failed_action")
    stack.failed_up()
    (number,) = unprotected(stack)

    said = stack.failed_up()

    assert f"hcloud primary-ip delete {number}" in said
    assert unprotected(stack) == [number]
    stack.api.client.primary_ips.get_by_id(number).delete()


def test_reverse_dns_that_failed_is_set_by_the_next_run(stack: CloudStack) -> None:
    stack.api.faults.order(
        method="POST", path="/servers", do="failed_action", command="start_server"
    )
    stack.api.faults.order(method="POST", path="*/actions/change_dns_ptr", do="failed_action")
    stack.failed_up("--continue-on-error")

    assert unprotected(stack) == []
    assert len([each for each in stack.resources() if each.startswith("Rdns ")]) == 1


def test_a_preview_says_what_is_missing_and_changes_nothing(stack: CloudStack) -> None:
    stack.asked()
    said = stack.preview()

    assert "Hetzner makes no backups of the server. This update puts that right." in said
    assert "the server is not protected against deletion at Hetzner. This update puts" in said
    assert "the server was never started. This update puts that right." in said
    assert {method for method, _ in stack.asked()} == {"GET"}


def test_what_cannot_be_put_right_fails_and_is_left_to_the_next_run(stack: CloudStack) -> None:
    stack.api.faults.order(method="POST", path="*/actions/enable_backup", do="failed_action")

    assert "sandbox: cannot be compared with what Hetzner has" in stack.failed_up()


def test_backups_protection_power_and_names_are_put_right(stack: CloudStack) -> None:
    said = stack.up()

    (server,) = stack.all("servers")
    assert server["backup_window"]
    assert server["protection"] == {"delete": True, "rebuild": True}
    assert server["status"] == "running"
    assert "Hetzner makes no backups of the server. That has been put right." in said
    for ip in stack.all("primary_ips"):
        address = ip["ip"].replace("/64", "1")
        assert stack.api.state.pointer(address) == f"plex.{ZONE}"


def test_a_server_that_was_switched_off_on_purpose_stays_off(stack: CloudStack) -> None:
    (server,) = stack.api.client.servers.get_all()
    server.power_off().wait_until_finished()

    stack.configure(backups=False)
    stack.up()

    (after,) = stack.all("servers")
    assert after["status"] == "off"
    assert not after["backup_window"]
