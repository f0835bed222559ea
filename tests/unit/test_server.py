"""The server at Hetzner, its addresses, its firewall and its names."""

from __future__ import annotations

import pytest

from components.ports import open_ports
from tests import program, stack
from tests.program import IPV4, IPV6, STACK, UNKNOWN, Registered, Run, Secret

EVERYWHERE = ["0.0.0.0/0", "::/0"]


@pytest.fixture(scope="module")
def run() -> Run:
    return program.run(stack.config())


def rules(run: Run) -> dict[tuple[object, object], dict[str, object]]:
    """The firewall's rules by protocol and port."""
    found = run.one("Firewall").inputs["rules"]
    assert isinstance(found, list)
    assert all(rule["direction"] == "in" for rule in found)
    return {(rule["protocol"], rule.get("port")): rule for rule in found}


def test_what_would_replace_an_installed_server_is_ignored(run: Run) -> None:
    server = run.one("Server").request

    assert {"image", "userData", "sshKeys"} <= set(server.ignoreChanges)
    assert not {"serverType", "firewallIds", "backups"} & set(server.ignoreChanges)


def test_a_replacement_frees_the_addresses_first(run: Run) -> None:
    assert run.one("Server").request.deleteBeforeReplace


def test_the_image_goes_by_name(run: Run) -> None:
    assert run.one("Server").inputs["image"] == "ubuntu-24.04"


def test_hetzner_names_are_left_to_pulumi(run: Run) -> None:
    # With a name given, what is replaced create-first would collide with itself.
    for kind in ("PrimaryIp", "Firewall", "SshKey", "Server"):
        for each in run.of(kind):
            assert "name" not in each.inputs, each.urn


def test_addresses_outlive_the_server(run: Run) -> None:
    kinds = {each.inputs["type"]: each for each in run.of("PrimaryIp")}

    assert set(kinds) == {"ipv4", "ipv6"}
    for each in kinds.values():
        assert each.inputs["autoDelete"] is False
        # The provider warns of a type without an id.
        assert "assigneeType" not in each.inputs
        assert each.inputs["location"] == run.one("Server").inputs["location"]


def test_the_server_has_both_addresses_and_the_firewall_from_its_first_boot(run: Run) -> None:
    server = run.one("Server")
    needs = {urn.rpartition("::")[2] for urn in server.request.dependencies}

    (net,) = server.inputs["publicNets"]
    assert net["ipv4Enabled"]
    assert net["ipv6Enabled"]
    assert isinstance(net["ipv4"], int)
    assert isinstance(net["ipv6"], int)
    assert len(server.inputs["firewallIds"]) == 1
    assert {f"{STACK}-ipv4", f"{STACK}-ipv6", STACK} <= needs


def test_user_data_is_a_secret_with_the_install_host_key_and_no_other(run: Run) -> None:
    data = run.one("Server").inputs["userData"]
    connection = run.one("Command", f"{STACK}-install").inputs["connection"]

    assert isinstance(data, Secret)
    assert isinstance(connection, Secret)
    assert isinstance(data.value, str)
    assert isinstance(connection.value, dict)
    assert data.value.count("BEGIN PRIVATE KEY") == 1
    deploy_key = connection.value["privateKey"]
    assert isinstance(deploy_key, str)
    assert deploy_key.splitlines()[1] not in data.value


def test_the_deploy_key_enters_the_installer(run: Run) -> None:
    key = run.one("SshKey").inputs["publicKey"]

    assert isinstance(key, str), "it is public, and shown"
    assert key.startswith("ssh-ed25519 ")


def test_the_firewall_is_the_table_of_ports(run: Run) -> None:
    table = {
        (port.protocol, None if port.number is None else str(port.number))
        for port in open_ports(lan=False, http3=False)
    }

    assert set(rules(run)) == table
    assert table == {("tcp", "22"), ("tcp", "80"), ("tcp", "443"), ("icmp", None)}


@pytest.mark.parametrize("lan", [True, False])
def test_plex_itself_is_never_reachable(lan: bool) -> None:
    run = program.run(stack.config(plexLanPorts=lan))

    assert not [port for _, port in rules(run) if port == "32400"]


def test_local_network_ports_open_by_their_key_alone(run: Run) -> None:
    with_lan = rules(program.run(stack.config(plexLanPorts=True)))

    added = set(with_lan) - set(rules(run))
    assert added == {
        ("tcp", "3005"),
        ("tcp", "8324"),
        ("tcp", "32469"),
        ("udp", "1900"),
        ("udp", "5353"),
        ("udp", "32410"),
        ("udp", "32412"),
        ("udp", "32413"),
        ("udp", "32414"),
    }


def test_networks_are_for_ssh_alone() -> None:
    run = program.run(stack.config(sshNetworks=["198.51.100.0/24", "2001:db8::/32"]))

    for (_, port), rule in rules(run).items():
        expected = ["198.51.100.0/24", "2001:db8::/32"] if port == "22" else EVERYWHERE
        assert rule["sourceIps"] == expected


def test_every_rule_says_what_it_is_for(run: Run) -> None:
    assert all(rule["description"] for rule in rules(run).values())


def test_both_addresses_have_the_domain_in_reverse_dns(run: Run) -> None:
    found = {each.inputs["ipAddress"]: each.inputs["dnsPtr"] for each in run.of("Rdns")}

    assert found == {IPV4: "plex.films.sandbox", IPV6: "plex.films.sandbox"}


def test_what_is_asked_of_hetzner_is_asked_in_hooks(run: Run) -> None:
    hooks = run.one("Server").request.hooks

    assert list(hooks.before_create) == ["server-type", "server-orphans"]
    assert list(hooks.before_update) == ["server-type-change", "completion"]


def test_what_exists_already_is_looked_up_before_anything_is_made(run: Run) -> None:
    for kind in ("PrimaryIp", "Firewall", "SshKey", "Server", "ZoneRrset"):
        for each in run.of(kind):
            assert any(hook.endswith("-orphans") for hook in each.request.hooks.before_create), kind
            # What is looked for must not be what is being replaced.
            assert each.request.deleteBeforeReplace, kind
            assert each.inputs["labels"] == {"project": "plex-on-nixos", "stack": STACK}


def test_hooks_leave_a_destroy_alone(run: Run) -> None:
    # The engine would look for them, and a destroy does not run the program.
    for each in run.resources:
        assert not each.request.hooks.before_delete
        assert not each.request.hooks.after_delete


# DNS


def records(run: Run) -> dict[object, Registered]:
    return {each.inputs["type"]: each for each in run.of("ZoneRrset")}


def test_records_at_hetzner_are_a_and_aaaa_with_a_short_ttl(run: Run) -> None:
    found = records(run)

    assert {kind: each.inputs["records"] for kind, each in found.items()} == {
        "A": [{"value": IPV4}],
        "AAAA": [{"value": IPV6}],
    }
    for each in found.values():
        assert (each.inputs["zone"], each.inputs["name"]) == ("films.sandbox", "plex")
        assert each.inputs["ttl"] == 300
        # A set of records has its name to itself.
        assert each.request.deleteBeforeReplace


def test_the_zone_itself_is_an_at_sign() -> None:
    run = program.run(stack.config(domain="films.sandbox"))

    assert {each.inputs["name"] for each in records(run).values()} == {"@"}


def test_with_dns_elsewhere_the_records_are_an_output(run: Run) -> None:
    external = program.run(stack.config(dns="external", dnsZone=""))

    assert external.of("ZoneRrset") == []
    assert external.outputs["dnsRecords"] == [
        f"plex.films.sandbox. 300 IN A {IPV4}",
        f"plex.films.sandbox. 300 IN AAAA {IPV6}",
    ]
    assert "dnsRecords" not in run.outputs


def test_a_first_preview_shows_the_records_as_not_known_yet() -> None:
    run = program.run(stack.config(), preview=True)

    assert {repr(each.inputs["records"]) for each in records(run).values()} == {
        repr([{"value": UNKNOWN}])
    }
