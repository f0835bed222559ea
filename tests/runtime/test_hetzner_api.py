"""The Hetzner stand-in, with the official Python library as its client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import hcloud
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hcloud import APIException
from hcloud.actions import ActionFailedException
from hcloud.firewalls import FirewallResource, FirewallRule
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.primary_ips import BoundPrimaryIP
from hcloud.server_types import ServerType
from hcloud.servers import BoundServer, ServerCreatePublicNetwork
from hcloud.ssh_keys import SSHKey
from hcloud.zones import Zone, ZoneRecord, ZoneRRSet

from sandbox.hetzner import machines
from sandbox.hetzner.records import SshKey
from tests.runtime.hetzner_server import TOKEN, ZONE, Api, known, running

_FSN1 = Location(name="fsn1")
_SINGAPORE = Location(name="sin")
_ANYWHERE = ["0.0.0.0/0", "::/0"]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with running(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One for all tests that change nothing."""
    with running(tmp_path_factory.mktemp("hetzner")) as started:
        yield started


def public_key() -> str:
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def rule(port: str | None = "443", protocol: str = "tcp") -> FirewallRule:
    return FirewallRule("in", protocol, source_ips=_ANYWHERE, port=port, description="from all")


def address(api: Api, kind: str = "ipv4") -> BoundPrimaryIP:
    created = api.client.primary_ips.create(type=kind, name=f"films-{kind}", location=_FSN1)
    assert created.action is not None
    created.action.wait_until_finished()
    return created.primary_ip


def server(api: Api, name: str = "films", **extra: Any) -> BoundServer:
    """A server that has started."""
    order: dict[str, Any] = {
        "server_type": ServerType(name="cx23"),
        "image": Image(name="ubuntu-24.04"),
        "location": _FSN1,
        **extra,
    }
    created = api.client.servers.create(name, **order)
    for action in [created.action, *created.next_actions]:
        action.wait_until_finished()
    created.server.reload()
    return created.server


def refused(code: str, call: Callable[[], object]) -> APIException:
    """The error that a call is refused with, which must have this code."""
    with pytest.raises(APIException) as caught:
        call()
    assert caught.value.code == code
    return caught.value


def fields(error: APIException) -> list[str]:
    details: dict[str, list[dict[str, str]]] = error.details
    return [field["name"] for field in details["fields"]]


def test_a_server_is_made_of_what_was_ordered(api: Api) -> None:
    ipv4, ipv6 = address(api), address(api, "ipv6")
    text = public_key()
    key = api.client.ssh_keys.create("films", text)
    firewall = api.client.firewalls.create("films", rules=[rule()]).firewall
    made = server(
        api,
        ssh_keys=[key],
        firewalls=[firewall],
        user_data="#cloud-config\n",
        labels={"stack": "films"},
        public_net=ServerCreatePublicNetwork(ipv4=ipv4, ipv6=ipv6),
    )

    assert made.status == "running"
    assert made.public_net is not None
    assert made.public_net.ipv4 is not None and made.public_net.ipv6 is not None
    assert (made.public_net.ipv4.ip, made.public_net.ipv6.ip) == (ipv4.ip, ipv6.ip)
    assert [(each.firewall.id, each.status) for each in made.public_net.firewalls or []] == [
        (firewall.id, "applied")
    ]
    ipv4.reload()
    assert ipv4.assignee_id == made.id
    firewall.reload()
    assert [each.server.id for each in firewall.applied_to or [] if each.server] == [made.id]
    number = known(made.id)
    assert api.machines.specs[number] == machines.MachineSpec(
        server_id=number,
        name="films",
        image="ubuntu-24.04",
        user_data="#cloud-config\n",
        ssh_keys=(text,),
        ipv4="203.0.113.11",
        ipv6_network="2001:db8:1::/64",
        mac="96:00:" + ":".join(f"{octet:02x}" for octet in number.to_bytes(4, "big")),
        disk_gigabytes=40,
    )
    assert api.state.servers() == (api.machines.specs[number],)


def test_an_action_runs_until_the_machine_has_done_it(api: Api) -> None:
    api.machines.stuck = True
    created = api.client.servers.create(
        "films", ServerType(name="cx23"), Image(name="debian-12"), location=_FSN1
    )
    created.action.wait_until_finished()
    start = created.next_actions[0]
    assert (start.status, created.server.status) == ("running", "initializing")
    refused("locked", created.server.enable_backup)
    refused("locked", created.server.delete)

    api.machines.stuck = False
    start.wait_until_finished()
    created.server.reload()
    assert (start.progress, created.server.status) == (100, "running")


def test_a_machine_that_fails_fails_the_action(api: Api) -> None:
    api.machines.broken = "no loop device is left"
    with pytest.raises(ActionFailedException, match="no loop device is left"):
        server(api)
    left = api.client.servers.get_all()[0]
    assert left.status == "off"
    assert not api.machines.specs, "half a machine was left behind"

    api.machines.broken = None
    left.power_on().wait_until_finished()
    left.reload()
    assert left.status == "running"

    api.machines.broken = "it does not stop"
    with pytest.raises(ActionFailedException, match="it does not stop"):
        left.power_off().wait_until_finished()
    left.reload()
    assert left.status == "running"


def test_a_server_that_switches_itself_off_is_seen_to_be_off(api: Api) -> None:
    made = server(api)
    made.shutdown().wait_until_finished()
    made.reload()
    assert made.status == "running", "it was only asked to stop"
    api.machines.powered.discard(known(made.id))
    made.reload()
    assert made.status == "off"
    made.power_on().wait_until_finished()
    made.reload()
    assert made.status == "running"


def test_a_server_is_created_without_being_started(api: Api) -> None:
    made = server(api, start_after_create=False)
    assert made.status == "off"
    assert not api.machines.specs
    made.power_on().wait_until_finished()
    assert api.machines.calls == ["create"]


def test_a_reboot_asks_and_a_reset_does_not(api: Api) -> None:
    made = server(api)
    made.reboot().wait_until_finished()
    made.reset().wait_until_finished()
    assert api.machines.calls == ["create", "reboot", "reset"]


def test_a_rebuilt_server_is_the_same_with_another_disk(api: Api) -> None:
    made = server(api, user_data="#cloud-config\n", ssh_keys=[])
    before = api.machines.specs[known(made.id)]
    image = Image(name="debian-12")
    made.change_protection(delete=True, rebuild=True).wait_until_finished()
    refused("protected", lambda: made.rebuild(image))
    made.change_protection(delete=False, rebuild=False).wait_until_finished()
    api.machines.stuck = True
    rebuilt = made.rebuild(image)
    assert rebuilt.root_password
    assert api.client.servers.get_by_id(known(made.id)).status == "rebuilding"
    api.machines.stuck = False
    rebuilt.action.wait_until_finished()
    made.reload()
    assert made.status == "running"
    assert made.image is not None and made.image.name == "debian-12"
    assert api.machines.specs == {made.id: replace(before, image="debian-12")}
    assert api.machines.calls == ["create", "rebuild"]

    made.rebuild(image, user_data="#!/bin/sh\n").action.wait_until_finished()
    assert api.machines.specs[known(made.id)].user_data == "#!/bin/sh\n"
    refused("invalid_input", lambda: made.rebuild(Image(name="debian-99")))


def test_deletion_frees_what_the_server_held(api: Api) -> None:
    ipv4 = address(api)
    firewall = api.client.firewalls.create("films", rules=[rule()]).firewall
    made = server(api, firewalls=[firewall], public_net=ServerCreatePublicNetwork(ipv4=ipv4))
    assert len(api.client.primary_ips.get_all()) == 2, "an IPv6 address is made along with it"
    refused("resource_in_use", firewall.delete)
    refused("must_be_unassigned", ipv4.delete)

    made.delete().wait_until_finished()
    refused("not_found", made.reload)
    assert not api.machines.specs
    assert [ip.id for ip in api.client.primary_ips.get_all()] == [ipv4.id]
    assert firewall.delete()
    assert ipv4.delete()


def test_protection_keeps_a_server(api: Api) -> None:
    made = server(api)
    error = refused("invalid_input", lambda: made.change_protection(delete=True, rebuild=False))
    assert fields(error) == ["rebuild"]
    made.change_protection(delete=True, rebuild=True).wait_until_finished()
    refused("protected", made.delete)
    made.change_protection(delete=False, rebuild=False).wait_until_finished()
    made.delete().wait_until_finished()


def test_backups_are_switched_on_and_off(api: Api) -> None:
    made = server(api)
    assert made.backup_window is None
    made.enable_backup().wait_until_finished()
    made.reload()
    assert made.backup_window
    made.disable_backup().wait_until_finished()
    made.reload()
    assert made.backup_window is None


def test_a_changed_type_starts_the_server_again(api: Api) -> None:
    made = server(api)
    larger = ServerType(name="cx33")
    refused("server_not_stopped", lambda: made.change_type(larger, upgrade_disk=True))
    made.power_off().wait_until_finished()
    refused("invalid_server_type", lambda: made.change_type(ServerType(name="cax11"), False))
    made.change_type(larger, upgrade_disk=True).wait_until_finished()
    made.reload()
    assert made.server_type is not None
    assert (made.server_type.name, made.primary_disk_size, made.status) == ("cx33", 80, "running")
    assert api.machines.calls == ["create", "power_off", "resize", "power_on"]
    assert api.machines.specs[known(made.id)].disk_gigabytes == 80

    made.power_off().wait_until_finished()
    refused("invalid_server_type", lambda: made.change_type(ServerType(name="cx23"), False))


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("invalid_input", {"server_type": ServerType(name="cpx11")}),  # no longer sold
        ("invalid_input", {"server_type": ServerType(name="cx99")}),
        ("invalid_input", {"location": Location(name="ash")}),  # cx23 is not offered there
        ("resource_unavailable", {"server_type": ServerType(name="cpx22"), "location": _SINGAPORE}),
        ("invalid_input", {"image": Image(name="windows-11")}),
        ("not_found", {"ssh_keys": [SSHKey(name="nobody")]}),
        ("invalid_input", {"labels": {"not a key": "x"}}),
        ("invalid_input", {"labels": {"hetzner.cloud/kept": "x"}}),
        ("invalid_input", {"user_data": "x" * (32 * 1024 + 1)}),
        ("unsupported_error", {"volumes": [SSHKey(id=1)]}),
    ],
)
def test_a_refused_order_leaves_nothing_behind(
    untouched: Api, code: str, extra: dict[str, Any]
) -> None:
    refused(code, lambda: server(untouched, **extra))
    assert untouched.client.servers.get_all() == []
    assert untouched.client.primary_ips.get_all() == []


def test_an_address_belongs_to_one_server(api: Api) -> None:
    ipv4, ipv6 = address(api), address(api, "ipv6")
    server(api, public_net=ServerCreatePublicNetwork(ipv4=ipv4, ipv6=ipv6))
    again = ServerCreatePublicNetwork(ipv4=ipv4, enable_ipv6=False)
    refused("primary_ip_assigned", lambda: server(api, "more", public_net=again))
    wrong = ServerCreatePublicNetwork(ipv4=ipv6, enable_ipv6=False)
    refused("primary_ip_version_mismatch", lambda: server(api, "more", public_net=wrong))
    elsewhere = api.client.primary_ips.create(
        type="ipv4", name="far", location=Location(name="hel1")
    ).primary_ip
    far = ServerCreatePublicNetwork(ipv4=elsewhere, enable_ipv6=False)
    refused("primary_ip_datacenter_mismatch", lambda: server(api, "more", public_net=far))


def test_an_address_moves_only_between_servers_that_are_off(api: Api) -> None:
    ipv4 = address(api)
    assert (ipv4.assignee_id, ipv4.assignee_type) == (None, "unassigned")
    made = server(api, public_net=ServerCreatePublicNetwork(ipv4=ipv4, enable_ipv6=False))
    ipv4.reload()
    assert (ipv4.assignee_id, ipv4.assignee_type) == (made.id, "server")
    refused("server_not_stopped", ipv4.unassign)
    made.power_off().wait_until_finished()
    ipv4.unassign().wait_until_finished()
    ipv4.reload()
    assert (ipv4.assignee_id, ipv4.assignee_type) == (None, "unassigned")
    made.reload()
    assert made.public_net is not None and made.public_net.ipv4 is None
    refused("service_error", made.power_on)
    ipv4.assign(known(made.id), "server").wait_until_finished()
    refused("primary_ip_already_assigned", lambda: ipv4.assign(known(made.id), "server"))
    other = api.client.primary_ips.create(type="ipv4", name="more", location=_FSN1).primary_ip
    refused("server_has_ipv4", lambda: other.assign(known(made.id), "server"))


def test_reverse_dns_is_kept_by_address(api: Api) -> None:
    ipv4, ipv6 = address(api), address(api, "ipv6")
    assert ipv4.ip and ipv4.dns_ptr
    default = "static.11.113.0.203.clients.your-server.de"
    assert ipv4.dns_ptr[0]["dns_ptr"] == default
    ipv4.change_dns_ptr(ipv4.ip, "plex.films.example").wait_until_finished()
    # The exploded form is the same address, and is given back in its canonical form.
    exploded = "2001:0db8:0001:0000:0000:0000:0000:0001"
    ipv6.change_dns_ptr(exploded, "plex.films.example").wait_until_finished()
    ipv6.reload()
    assert ipv6.dns_ptr == [{"ip": "2001:db8:1::1", "dns_ptr": "plex.films.example"}]
    assert api.state.pointer("203.0.113.11") == "plex.films.example"
    assert api.state.pointer(exploded) == "plex.films.example"
    assert api.state.pointer("198.51.100.1") is None
    for wrong in (("2001:db8:2::1", "a.example"), ("x", "a.example"), (exploded, "a b")):
        refused("invalid_input", partial(ipv6.change_dns_ptr, *wrong))

    reset: str = None  # type: ignore[assignment]  # the library's type leaves out what its text says
    ipv4.change_dns_ptr(ipv4.ip, reset).wait_until_finished()
    assert api.state.pointer("203.0.113.11") == default


def test_a_protected_address_stays(api: Api) -> None:
    ipv4 = address(api)
    ipv4.change_protection(delete=True).wait_until_finished()
    refused("protected", ipv4.delete)


def test_the_machines_learn_the_rules_of_their_firewalls(api: Api) -> None:
    made = server(api)
    number = known(made.id)
    assert api.machines.rules[number] is None, "without a firewall everything passes"
    web = api.client.firewalls.create("web", rules=[rule(), rule(None, "icmp")]).firewall
    ssh = api.client.firewalls.create("ssh", rules=[rule("22")]).firewall
    target = [FirewallResource(FirewallResource.TYPE_SERVER, server=made)]
    _finish(web.apply_to_resources(target))
    _finish(ssh.apply_to_resources(target))
    everyone = tuple(_ANYWHERE)
    expected = [
        machines.FirewallRule("in", "tcp", "443", everyone),
        machines.FirewallRule("in", "icmp", None, everyone),
        machines.FirewallRule("in", "tcp", "22", everyone),
    ]
    assert api.machines.rules[number] == tuple(expected)
    refused("firewall_already_applied", lambda: web.apply_to_resources(target))

    _finish(web.set_rules([]))
    assert api.machines.rules[number] == (expected[2],)
    _finish(ssh.remove_from_resources(target))
    assert api.machines.rules[number] == (), "a firewall without rules lets nothing in"
    assert ssh.remove_from_resources(target) == [], "it is not applied any more"
    assert api.state.firewall_rules(number) == ()


def _finish(actions: list[hcloud.actions.BoundAction]) -> None:
    for action in actions:
        action.wait_until_finished()


@pytest.mark.parametrize(
    "wrong",
    [
        FirewallRule("in", "tcp", source_ips=_ANYWHERE),  # no port
        FirewallRule("in", "icmp", source_ips=_ANYWHERE, port="8"),
        FirewallRule("in", "tcp", source_ips=_ANYWHERE, port="0"),
        FirewallRule("in", "tcp", source_ips=_ANYWHERE, port="90-80"),
        FirewallRule("in", "tcp", source_ips=["203.0.113.7/24"], port="80"),
        FirewallRule("in", "tcp", destination_ips=_ANYWHERE, port="80"),
        FirewallRule("sideways", "tcp", source_ips=_ANYWHERE, port="80"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(api: Api, wrong: FirewallRule) -> None:
    error = refused("invalid_input", lambda: api.client.firewalls.create("x", rules=[wrong]))
    assert fields(error)[0].startswith("rules.0")
    assert api.client.firewalls.get_all() == []


def test_names_and_keys_are_unique(api: Api) -> None:
    text = public_key()
    api.client.ssh_keys.create("films", text)
    refused("uniqueness_error", lambda: api.client.ssh_keys.create("films", public_key()))
    error = refused(
        "uniqueness_error", lambda: api.client.ssh_keys.create("other", f"{text} another-comment")
    )
    assert fields(error) == ["public_key"]
    other = api.client.ssh_keys.create("other", public_key())
    refused("uniqueness_error", lambda: other.update(name="films"))
    refused("invalid_input", lambda: api.client.ssh_keys.create("bad", "ssh-ed25519 AAAA"))

    address(api)
    refused("uniqueness_error", lambda: address(api))
    api.client.firewalls.create("films")
    refused("uniqueness_error", lambda: api.client.firewalls.create("films"))
    server(api)
    refused("uniqueness_error", lambda: server(api))
    refused("uniqueness_error", lambda: api.client.zones.create(name=ZONE, mode="primary"))


def test_a_fingerprint_is_the_one_that_openssh_prints(api: Api) -> None:
    text = (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGL1wHcnSLYWNIPKOD7AhKRR8yPRdpCkhEkSnA1sxOz4 a@laptop"
    )
    key = api.client.ssh_keys.create("films", text)
    assert key.fingerprint is not None and key.public_key == text
    found = api.client.ssh_keys.get_by_fingerprint(key.fingerprint)
    assert found is not None and found.id == key.id
    assert api.client.ssh_keys.get_by_fingerprint("00:11") is None


def test_labels_select(api: Api) -> None:
    for name, labels in (("a", {"env": "prod"}), ("b", {"env": "test", "old": ""}), ("c", {})):
        api.client.ssh_keys.create(name, public_key(), labels=labels)

    def names(selector: str) -> list[str | None]:
        return [key.name for key in api.client.ssh_keys.get_all(label_selector=selector)]

    assert names("env=prod") == ["a"]
    assert names("env!=prod") == ["b", "c"]
    assert names("env in (prod,test)") == ["a", "b"]
    assert names("env notin (prod)") == ["b", "c"]
    assert names("env,!old") == ["a"]
    refused("invalid_input", lambda: names("env in prod"))
    key = api.client.ssh_keys.get_by_name("a")
    assert key is not None
    assert key.update(labels={}).labels == {}
    assert names("env") == ["b"]


def test_lists_come_in_pages(api: Api) -> None:
    for number in range(61):
        name = f"key-{number:02}"
        key = SshKey(id=api.state.new_id(), name=name, public_key="", fingerprint=name)
        api.state.ssh_keys.save(key)
    assert len(api.client.ssh_keys.get_all()) == 61
    page = api.client.ssh_keys.get_list(page=2, per_page=25)
    assert [key.name for key in page.ssh_keys] == [f"key-{number:02}" for number in range(25, 50)]
    assert page.meta.pagination is not None
    assert vars_of(page.meta.pagination) == (2, 25, 1, 3, 3, 61)
    first = api.client.ssh_keys.get_list(per_page=51).meta.pagination
    assert first is not None and vars_of(first) == (1, 50, None, 2, 2, 61)


def vars_of(pagination: hcloud.core.Pagination) -> tuple[int | None, ...]:
    return (
        pagination.page,
        pagination.per_page,
        pagination.previous_page,
        pagination.next_page,
        pagination.last_page,
        pagination.total_entries,
    )


def test_a_zone_is_born_with_soa_and_ns(api: Api) -> None:
    zone = api.client.zones.get(ZONE)
    assert (zone.mode, zone.ttl, zone.status) == ("primary", 3600, "ok")
    born = {rrset.id: rrset for rrset in api.client.zones.get_rrset_all(zone)}
    assert set(born) == {"@/SOA", "@/NS"}
    assert zone.authoritative_nameservers is not None
    nameservers = zone.authoritative_nameservers.assigned
    assert [record.value for record in born["@/NS"].records or []] == nameservers
    assert api.state.records(ZONE, "NS") == tuple(nameservers or [])


def test_records_reach_the_resolver(api: Api) -> None:
    zone = api.client.zones.get(ZONE)
    made = api.client.zones.create_rrset(
        zone, name="plex", type="A", records=[ZoneRecord("203.0.113.11", comment="films")], ttl=300
    )
    made.action.wait_until_finished()
    assert api.state.records("plex.films.example", "A") == ("203.0.113.11",)
    assert api.state.records("plex.films.example", "AAAA") == ()
    assert api.state.records("xplex.films.example", "A") == ()
    before = api.state.records(ZONE, "SOA")
    rrset = made.rrset
    rrset.set_rrset_records([ZoneRecord("203.0.113.12")]).wait_until_finished()
    rrset.change_rrset_ttl(ttl=None).wait_until_finished()
    rrset = api.client.zones.get_rrset(zone, "plex", "A")
    assert (rrset.ttl, [record.value for record in rrset.records or []]) == (None, ["203.0.113.12"])
    assert api.state.records(ZONE, "SOA") != before, "the serial must rise"

    rrset.add_rrset_records([ZoneRecord("203.0.113.13")]).wait_until_finished()
    assert api.state.records("plex.films.example", "A") == ("203.0.113.12", "203.0.113.13")
    rrset.remove_rrset_records([ZoneRecord("203.0.113.12")]).wait_until_finished()
    rrset.delete_rrset().action.wait_until_finished()
    assert api.state.records("plex.films.example", "A") == ()
    apex = api.client.zones.create_rrset(
        zone, name="@", type="AAAA", records=[ZoneRecord("2001:db8:1::1")]
    )
    assert apex.rrset.id == "@/AAAA"
    assert api.state.records(ZONE, "AAAA") == ("2001:db8:1::1",)


@pytest.mark.parametrize(
    ("code", "name", "kind", "values"),
    [
        ("uniqueness_error", "plex", "A", ["203.0.113.12"]),
        ("invalid_input", "www", "A", ["2001:db8::1"]),
        ("invalid_input", "www", "AAAA", ["203.0.113.11"]),
        ("invalid_input", "www", "A", []),
        ("invalid_input", "www", "A", ["203.0.113.11", "203.0.113.11"]),
        ("invalid_input", "WWW", "A", ["203.0.113.11"]),
        ("invalid_input", "plex", "CNAME", ["www"]),
        ("invalid_input", "www", "TXT", ["without quotes"]),
        ("invalid_input", "@", "SOA", ["x"]),
        ("invalid_input", "www", "SPF", ["x"]),
    ],
)
def test_records_that_cannot_be_are_refused(
    api: Api, code: str, name: str, kind: str, values: list[str]
) -> None:
    zone = Zone(name=ZONE)
    api.client.zones.create_rrset(zone, name="plex", type="A", records=[ZoneRecord("203.0.113.11")])
    records = [ZoneRecord(value) for value in values]
    refused(
        code,
        lambda: api.client.zones.create_rrset(
            zone,
            name=name,
            type=kind,  # type: ignore[arg-type]  # wrong ones too
            records=records,
        ),
    )
    assert len(api.client.zones.get_rrset_all(zone)) == 3


def test_zones_and_rrsets_can_be_protected(api: Api) -> None:
    created = api.client.zones.create(name="more.example", mode="primary", ttl=600)
    created.action.wait_until_finished()
    zone = created.zone
    zone.change_protection(delete=True).wait_until_finished()
    refused("protected", zone.delete)
    zone.change_protection(delete=False).wait_until_finished()
    rrset = ZoneRRSet(name="@", type="NS", zone=zone)
    api.client.zones.change_rrset_protection(rrset, change=True).wait_until_finished()
    refused("protected", lambda: api.client.zones.delete_rrset(rrset))
    zone.delete().action.wait_until_finished()
    refused("not_found", lambda: api.client.zones.get("more.example"))


def test_the_catalogue_says_what_can_be_had_where(untouched: Api) -> None:
    kinds = {kind.name: kind for kind in untouched.client.server_types.get_all()}
    small = kinds["cx23"]
    assert (small.cores, small.memory, small.disk, small.architecture) == (2, 4, 40, "x86")
    assert [each.location.name for each in small.locations or []] == ["fsn1", "nbg1", "hel1"]
    assert all(each.available and each.deprecation is None for each in small.locations or [])
    assert kinds["cax11"].architecture == "arm"
    ended = {each.location.name: each for each in kinds["cpx11"].locations or []}
    assert not ended["fsn1"].available and ended["fsn1"].deprecation is not None
    assert ended["ash"].available and ended["ash"].deprecation is None
    ending = (kinds["cx32"].locations or [])[0]
    assert ending.available and ending.deprecation is not None
    in_singapore = {each.location.name: each.available for each in kinds["cpx22"].locations or []}
    assert in_singapore["sin"] is False and in_singapore["fsn1"] is True
    for architecture in ("x86", "arm"):
        image = untouched.client.images.get_by_name_and_architecture("ubuntu-24.04", architecture)
        assert image is not None and image.architecture == architecture
    assert [each.name for each in untouched.client.locations.get_all()] == [
        "fsn1",
        "nbg1",
        "hel1",
        "ash",
        "hil",
        "sin",
    ]


def test_nobody_comes_in_without_the_token(untouched: Api) -> None:
    stranger = hcloud.Client("x" * 64, api_endpoint=untouched.url)
    error = refused("unauthorized", stranger.servers.get_all)
    assert error.correlation_id
    assert TOKEN not in str(error)
