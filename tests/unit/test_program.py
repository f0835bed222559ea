"""The whole program, run against an engine that writes down what it is asked for."""

from __future__ import annotations

import pytest

from components.guard import FIRST_STEP
from components.settings import ConfigurationError
from tests import program, stack
from tests.program import IPV4, IPV6, STACK, Registered, Run, Secret
from tests.stack import PUBLIC_KEY

# Another valid value for every key, and the resources (or the output) in which it must show.
CHANGES: dict[str, object] = {
    "domain": "films.sandbox",
    "acmeEmail": "other@films.sandbox",
    "acmeStaging": True,
    "hstsWholeZone": True,
    "serverType": "cpx32",
    "location": "hel1",
    "backups": False,
    "protect": False,
    "dns": "external",
    "dnsZone": "sandbox.org",
    "b2Bucket": "other-films",
    "b2KeyId": "0005a1b2c3d4",
    "b2ApplicationKey": "K005b3RoZXJmaWxtc2FyZWhlcmUrLys",
    "libraryBackup": False,
    "backupBucket": "everybodys-backups",
    "backupPrefix": "servers/plex",
    "backupKeyId": "0005a1b2c3d4e5f0000000003",
    "backupApplicationKey": "K005b3RoZXJsaWJyYXJ5YmFja3VwKys",
    "notifyUrl": "https://ntfy.sandbox.org/other",
    "plexAudiobooks": True,
    "plexLanPorts": True,
    "http3": True,
    "cacheGigabytes": 10,
    "refreshMinutes": 5,
    "mediaReadOnly": False,
    "nixosRelease": "26.11",
    "pins": "tests/pins-other.json",
    "hostName": "cinema",
    "timeZone": "Europe/Berlin",
    "packages": ["htop", "tmux"],
    "autoUpgrade": False,
    "autoUpgradeWindow": "23:00-01:00",
    "autoUpgradeReboot": True,
    "administrators": {"bob": [PUBLIC_KEY]},
    "sshNetworks": ["198.51.100.0/24"],
    "acknowledgeSeconds": 60,
}
# What a file of pins decides belongs to test_pins.py, which has a file of its own; a zone without its domain
# would be refused; HSTS says more than before only at a zone's apex, see test_configuration.py.
ELSEWHERE = {"nixosRelease", "pins", "dnsZone", "hstsWholeZone"}


@pytest.fixture(scope="module")
def plain() -> Run:
    return program.run(stack.config())


def seen(run: Run) -> object:
    """All that the engine sees of a run, in an order of its own."""
    return (
        sorted((each.urn, repr(each.inputs), options(each)) for each in run.resources),
        run.outputs,
    )


def options(resource: Registered) -> str:
    """A resource's options, without what its inputs decide."""
    request = resource.request
    return repr((request.protect, sorted(request.ignoreChanges), request.deletedWith))


def test_every_key_has_a_change_to_try() -> None:
    assert set(CHANGES) == set(stack.declared())


def test_a_run_depends_on_its_configuration_alone(plain: Run) -> None:
    assert seen(program.run(stack.config())) == seen(plain)


@pytest.mark.parametrize("key", sorted(set(CHANGES) - ELSEWHERE))
def test_every_key_changes_something(key: str, plain: Run) -> None:
    changed = program.run(stack.config(**{key: CHANGES[key]}))

    assert seen(changed) != seen(plain)


def test_a_wrong_configuration_stops_before_the_first_resource() -> None:
    asked = Run()

    with pytest.raises(ConfigurationError, match="2 faults"):
        program.run(stack.config(domain="films", timeZone="Berlin"), into=asked)

    assert asked.resources == []


def test_the_outputs_are_what_the_stack_decides(plain: Run) -> None:
    outputs = dict(plain.outputs)
    known_hosts = str(outputs.pop("knownHosts"))
    password = outputs.pop("backupPassword")

    assert outputs == {
        "url": "https://plex.films.sandbox",
        "ipv4": IPV4,
        "ipv6": IPV6,
        "ssh": "ssh alice@plex.films.sandbox",
        "drift": "ssh alice@plex.films.sandbox sudo drift",
        "tunnel": "ssh -L 32400:127.0.0.1:32400 alice@plex.films.sandbox",
        "plexSetup": "http://127.0.0.1:32400/web",
    }
    assert known_hosts.startswith("plex.films.sandbox ssh-ed25519 ")
    assert password == Secret(program.seed(f"{STACK}-backup"))


def test_a_backups_password_stays_when_there_are_none(plain: Run) -> None:
    off = program.run(stack.config(libraryBackup=False))

    assert "backupPassword" not in off.outputs
    assert off.one("RandomBytes", f"{STACK}-backup").urn in {each.urn for each in plain.resources}


def test_a_first_preview_registers_the_same_resources(plain: Run) -> None:
    preview = program.run(stack.config(), preview=True)

    assert {each.urn for each in preview.resources} == {each.urn for each in plain.resources}


def test_every_resource_belongs_to_a_component(plain: Run) -> None:
    for each in plain.resources:
        if each.request.custom:
            assert "plex-on-nixos:index:" in each.urn, each.urn


def test_a_second_stack_in_the_same_project_has_names_of_its_own(plain: Run) -> None:
    # Hetzner's names are unique in a project; Pulumi makes them of these.
    for each in plain.resources:
        assert each.name.startswith(STACK), each.urn


# The guard: destroying begins with what nothing depends on, and stops there.


def behind(run: Run, guard: str) -> set[str]:
    """What the guard of that name depends on, and the guard itself, by URN."""
    by_urn = {each.urn: each for each in run.resources}
    ahead = [run.one("RandomId", guard).urn]
    found = set(ahead)
    while ahead:
        for urn in by_urn[ahead.pop()].request.dependencies:
            if urn not in found:
                found.add(urn)
                ahead.append(urn)
    return found


def test_everything_stands_behind_the_guard(plain: Run) -> None:
    everything = {each.urn for each in plain.resources if each.request.custom}

    assert behind(plain, f"{STACK}-guard{FIRST_STEP}") >= everything


def test_while_the_host_is_being_installed_the_cloud_has_a_guard_already(plain: Run) -> None:
    commands = {each.urn for each in plain.of("Command")}
    last = plain.one("RandomId", f"{STACK}-guard{FIRST_STEP}").urn
    everything = {each.urn for each in plain.resources if each.request.custom}
    first = behind(plain, f"{STACK}-cloud-guard{FIRST_STEP}")

    assert first >= everything - commands - {last}
    assert not first & commands


@pytest.mark.parametrize("protect", [True, False])
def test_protection_is_one_setting_for_guard_server_and_addresses(protect: bool) -> None:
    run = program.run(stack.config(protect=protect))

    protected = {each.type.rpartition(":")[2] for each in run.resources if each.request.protect}
    server = run.one("Server")
    expected = {"PrimaryIp", "RandomBytes", "RandomId", "Server", "StorageCredentials"}
    assert protected == (expected if protect else set())
    # Hetzner wants the two to be equal.
    assert server.inputs["deleteProtection"] is protect
    assert server.inputs["rebuildProtection"] is protect
    for address in run.of("PrimaryIp"):
        assert address.inputs["deleteProtection"] is protect
