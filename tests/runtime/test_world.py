"""The world: dig, curl, rclone, lego and a DHCP client find in it what they would find outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import yaml

from sandbox import toolchain
from sandbox.credentials import (
    B2_APPLICATION_KEY,
    B2_BUCKET,
    B2_KEY_ID,
    HCLOUD_TOKEN,
    ZONE,
)
from sandbox.paths import namespace
from sandbox.world import lock, network
from tests.needs import needs
from tests.runtime import worlds
from tests.runtime.worlds import World

pytestmark = needs("makes namespaces, which takes root", os.geteuid() == 0)

_DIG = ("dig", "+tries=1", "+time=15")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    running = worlds.start(tmp_path_factory.mktemp("world"))
    yield running
    status = running.end()
    worlds.clear(running.state)
    assert status == 0, "".join(running.log)


def server(world: World, name: str, **more: object) -> tuple[int, str]:
    """A new server's id and IPv4 address."""
    answer = world.api(
        "POST",
        "/servers",
        name=name,
        server_type="cx23",
        image="ubuntu-24.04",
        location="fsn1",
        user_data=f"#cloud-config\n# of {name}\n",
        **more,
    )
    world.settle(answer["action"])
    for action in cast("list[dict[str, object]]", answer["next_actions"]):
        world.settle(action)
    created = answer["server"]
    public_net = created["public_net"]
    assert isinstance(public_net, dict)
    return int(str(created["id"])), str(public_net["ipv4"]["ip"])


def rrset(world: World, name: str, rtype: str, value: str) -> None:
    world.api("POST", f"/zones/{ZONE}/rrsets", name=name, type=rtype, records=[{"value": value}])


def rcode(answer: str) -> str:
    """The status in dig's output."""
    return next(line for line in answer.splitlines() if "status:" in line).split()[5].strip(",")


def test_the_hetzner_api_has_its_own_name(world: World) -> None:
    hcloud = ("env", f"HCLOUD_TOKEN={HCLOUD_TOKEN}", "hcloud")
    listed = world.ok(*hcloud, "location", "list", "-o", "noheader", "-o", "columns=name")
    assert "fsn1" in listed.split()
    assert world.run("curl", "-sSf", "https://api.hetzner.cloud/v1/servers").returncode == 22

    order = '{"method": "GET", "path": "/locations", "do": "error", "code": "unavailable"}'
    world.ok("curl", "-sSf", "-d", order, "http://127.0.0.1:8001/faults")
    assert "(unavailable)" in world.run(*hcloud, "location", "list").stderr
    world.ok(*hcloud, "location", "list")


@pytest.mark.parametrize("resolver", ["185.12.64.1", "185.12.64.2", "2a01:4ff:ff00::add:1"])
@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_the_resolver_knows_the_stood_in_names(world: World, resolver: str, transport: str) -> None:
    for name, address in (
        ("github.com", "192.0.2.10"),
        ("API.BackBlazeB2.com", "192.0.2.20"),
        ("acme-v02.api.letsencrypt.org", "192.0.2.30"),
    ):
        answer = world.ok(*_DIG, transport, "+short", f"@{resolver}", name)
        assert answer.split() == [address]


def test_the_resolver_knows_hetzners_zones(world: World) -> None:
    rrset(world, "www", "A", "203.0.113.99")
    rrset(world, "alias", "CNAME", f"www.{ZONE}.")
    rrset(world, "text", "TXT", '"several words; and more"')
    ask = (*_DIG, "@185.12.64.1", "+short")
    assert world.ok(*ask, f"www.{ZONE}").split() == ["203.0.113.99"]
    assert world.ok(*ask, f"alias.{ZONE}").split() == [f"www.{ZONE}.", "203.0.113.99"]
    assert world.ok(*ask, f"text.{ZONE}", "TXT").strip() == '"several words; and more"'


def test_the_resolver_knows_what_there_is_not(world: World) -> None:
    rrset(world, "only4", "A", "203.0.113.98")
    no_data = world.ok(*_DIG, "@185.12.64.1", f"only4.{ZONE}", "AAAA")
    assert (rcode(no_data), "ANSWER: 0" in no_data) == ("NOERROR", True)
    for name in (f"nothing.{ZONE}", "www.debian.org"):
        assert rcode(world.ok(*_DIG, "@185.12.64.1", name)) == "NXDOMAIN"


def test_the_resolver_knows_reverse_names(world: World) -> None:
    answer = world.api(
        *("POST", "/primary_ips"), name="r", type="ipv4", assignee_type="server", location="fsn1"
    )
    address = answer["primary_ip"]
    path = f"/primary_ips/{address['id']}/actions/change_dns_ptr"
    changed = world.api("POST", path, ip=address["ip"], dns_ptr=f"www.{ZONE}")
    world.settle(changed["action"])
    assert world.ok(*_DIG, "@185.12.64.1", "+short", "-x", str(address["ip"])).split() == [
        f"www.{ZONE}."
    ]
    assert rcode(world.ok(*_DIG, "@185.12.64.1", "-x", "203.0.113.250")) == "NXDOMAIN"


def test_a_site_serves_its_own_files_by_https(world: World) -> None:
    folder = world.state / "internet/github.com/owner/project"
    folder.mkdir(parents=True)
    (folder / "file.tar.gz").write_bytes(b"not really")
    assert world.ok("curl", "-sS", "https://github.com/owner/project/file.tar.gz") == "not really"
    other = world.run("curl", "-sSf", "https://releases.nixos.org/owner/project/file.tar.gz")
    assert "404" in other.stderr


def test_nobody_outside_trusts_the_sites(world: World) -> None:
    system = ("--cacert", "/etc/ssl/certs/ca-certificates.crt")
    assert world.run("curl", "-sS", *system, "https://github.com/").returncode == 60


def test_the_bucket_is_at_backblaze(world: World, tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(os.urandom(100_000))
    rclone = [
        *("env", "RCLONE_CONFIG=", "RCLONE_CONFIG_B2_TYPE=b2"),
        f"RCLONE_CONFIG_B2_ACCOUNT={B2_KEY_ID}",
        f"RCLONE_CONFIG_B2_KEY={B2_APPLICATION_KEY}",
        str(toolchain.locations().rclone),
    ]
    world.ok(*rclone, "copy", str(tmp_path), f"b2:{B2_BUCKET}")
    world.ok(*rclone, "check", "--download", str(tmp_path), f"b2:{B2_BUCKET}")


def test_a_machine_gets_its_own_address_and_is_told_about_itself(world: World) -> None:
    one, two = server(world, "one"), server(world, "two")
    for (number, address), name in ((one, "one"), (two, "two")):
        with world.card(number) as card:
            assert card.lease() == {
                "ip": address,
                "mask": "32",
                "router": "172.31.1.1",
                "dns": "185.12.64.2 185.12.64.1",
            }
            base = "http://169.254.169.254/hetzner/v1"
            everything = yaml.safe_load(card.ask(f"{base}/metadata"))
            assert everything["instance-id"] == number
            assert everything["hostname"] == name
            assert everything["public-ipv4"] == address
            assert card.ask(f"{base}/metadata/hostname") == name
            assert card.ask(f"{base}/metadata/instance-id") == str(number)
            assert card.ask(f"{base}/metadata/public-ipv4") == address
            assert card.ask(f"{base}/metadata/private-networks") == "[]\n"
            assert card.ask(f"{base}/userdata") == f"#cloud-config\n# of {name}\n"


def test_a_machines_ipv6_comes_from_its_metadata(world: World) -> None:
    number, _ = server(world, "six")
    with world.card(number) as card:
        # cloud-init asks this way first, before it has any other address.
        url = "http://[fe80::a9fe:a9fe%25eth0]/hetzner/v1/metadata/network-config"
        (interface,) = yaml.safe_load(card.ask(url))["config"]
        dhcp, static = interface["subnets"]
        assert (dhcp["type"], dhcp["ipv4"]) == ("dhcp", True)
        card.run("ip", "address", "add", static["address"], "dev", "eth0", "nodad")
        card.run("ip", "route", "add", "default", "via", static["gateway"], "dev", "eth0")
        own = static["address"].split("/")[0]
        reached = card.run(*_DIG, "+short", "-b", own, "@2a01:4ff:ff00::add:1", "github.com")
        assert reached.stdout.split() == ["192.0.2.10"]


def test_a_stranger_gets_nothing(world: World) -> None:
    with world.card(4_000_000) as card:
        assert card.lease(tries=3) == {}
        url = "http://[fe80::a9fe:a9fe%25eth0]/hetzner/v1/metadata"
        assert "404" in card.run("curl", "-sSf", "-m", "60", url).stderr


def test_a_new_server_behind_the_same_address_has_it_at_once(world: World) -> None:
    kept = world.api(
        *("POST", "/primary_ips"), name="kept", type="ipv4", assignee_type="server", location="fsn1"
    )["primary_ip"]
    for name in ("first", "second"):
        number, address = server(world, name, public_net={"ipv4": kept["id"]})
        with world.card(number) as card:
            assert card.lease()["ip"] == address == kept["ip"]
        world.settle(world.api("DELETE", f"/servers/{number}")["action"])


def test_lets_encrypt_issues_for_who_answers_at_the_name(world: World, tmp_path: Path) -> None:
    number, address = server(world, "web")
    rrset(world, "web", "A", address)
    name = f"web.{ZONE}"
    with world.card(number) as card:
        card.lease()
        lego = (
            *("env", f"LEGO_CA_CERTIFICATES={world.state / 'ca.pem'}", "lego", "--accept-tos"),
            *("--server", "https://acme-v02.api.letsencrypt.org/directory", "--http"),
            *("--email", "owner@films.sandbox", "--path", str(tmp_path)),
        )
        # Pebble's resolver gives up after two seconds, and does not ask again.
        for _ in range(5):
            issued = card.run(*lego, "--domains", name, "run", timeout=120)
            if issued.returncode == 0:
                break
        assert issued.returncode == 0, issued.stderr
        refused = card.run(*lego, "--domains", f"not-{name}", "run", timeout=120)
        assert "resolve URL" in refused.stderr
        there = ["nsenter", f"--net=/run/netns/{card.name}", "openssl", "s_server"]
        site = subprocess.Popen(
            [*there, "-accept", "443", "-www", *_certificate(tmp_path / "certificates", name)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert site.stdout is not None
            while "ACCEPT" not in site.stdout.readline():
                assert site.poll() is None
            assert "s_server" in world.ok("curl", "-sS", f"https://{name}/")
        finally:
            site.kill()
            site.communicate()


def _certificate(folder: Path, name: str) -> list[str]:
    """What lego was given, for openssl: the chain lies in the certificate's file."""
    chain = str(folder / f"{name}.crt")
    return ["-cert", chain, "-cert_chain", chain, "-key", str(folder / f"{name}.key")]


def main_network() -> list[str]:
    """What the computer's own network is made of."""
    shown = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for command in (
            ["ip", "-o", "link"],
            ["ip", "-o", "address"],
            ["ip", "route"],
            ["ip", "-6", "route"],
            ["nft", "list", "ruleset"],
        )
    ]
    # Lifetimes of addresses pass while one looks.
    passing = r"(valid_lft|preferred_lft|expires) \w+"
    return [line for output in shown for line in re.sub(passing, "", output).splitlines()]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """The folder of a world that a test starts and ends itself."""
    folder = tmp_path / "state"
    yield folder
    worlds.clear(folder)


def test_nothing_is_left_and_the_computers_network_is_as_it_was(state: Path) -> None:
    before = main_network()
    world = worlds.start(state)
    assert main_network() == before
    assert len(worlds.processes(state)) >= 3  # the daemon, dnsmasq, Pebble
    assert world.end() == 0, "".join(world.log)
    assert not (state / "world.json").exists()
    assert worlds.processes(state) == {}
    network.down(world.namespace)
    assert list(Path("/run/netns").glob(f"{world.namespace}*")) == []
    assert main_network() == before


def test_a_world_goes_on_where_the_last_one_ended(state: Path) -> None:
    world = worlds.start(state)
    number, address = server(world, "stays")
    trusted = (state / "ca-bundle.pem").read_text()
    assert world.end() == 0
    world = worlds.start(state)
    assert (state / "ca-bundle.pem").read_text().startswith(trusted)
    with world.card(number) as card:
        assert card.lease()["ip"] == address
    assert world.end() == 0


def test_a_killed_world_leaves_nothing_in_the_way_of_the_next(state: Path) -> None:
    world = worlds.start(state)
    world.process.send_signal(signal.SIGKILL)
    world.process.wait()
    deadline = time.monotonic() + 60
    while worlds.processes(state) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert worlds.processes(state) == {}
    world = worlds.start(state)
    assert world.ok(*_DIG, "@185.12.64.1", "+short", "github.com").strip() == "192.0.2.10"
    assert world.end() == 0


def test_a_world_that_ends_on_its_way_up(state: Path) -> None:
    world = worlds.begin(state, awaited="dnsmasq")
    assert world.end() == 0, "".join(world.log)
    assert worlds.processes(state) == {}


def test_two_worlds_at_once(world: World, state: Path) -> None:
    other = worlds.start(state)
    rrset(other, "here", "A", "203.0.113.77")
    ask = (*_DIG, "@185.12.64.1", "+short", f"here.{ZONE}")
    assert other.ok(*ask).strip() == "203.0.113.77"
    assert world.ok(*ask).strip() == ""
    assert other.end() == 0


def test_a_namespace_that_is_only_a_name_is_made_anew(state: Path) -> None:
    name = namespace(state)
    Path("/run/netns").mkdir(exist_ok=True)
    Path("/run/netns", name).touch()  # what a crash of the computer leaves, where /run outlives it
    network.up(name)
    network.up(name)
    shown = subprocess.run(
        ["ip", "-n", name, "-o", "address", "show", "dev", "switch"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.count("172.31.1.1/32") == 1


def test_what_runs_in_the_network_ends_with_it(state: Path) -> None:
    name = namespace(state)
    network.up(name)
    # As a Pulumi does whose caller was killed.
    with subprocess.Popen(["ip", "netns", "exec", name, "cat"], stdin=subprocess.PIPE) as left:
        there = Path("/run/netns", name).stat()
        while not os.path.samestat(Path(f"/proc/{left.pid}/ns/net").stat(), there):
            assert left.poll() is None
        network.down(name)
        assert left.wait(30) == -signal.SIGKILL


def test_one_daemon_for_each_state(tmp_path: Path) -> None:
    path = tmp_path / "world.pid"
    with lock.held(path):
        assert lock.holder(path) == os.getpid()
        with pytest.raises(lock.AlreadyRunningError, match=str(os.getpid())), lock.held(path):
            pass
        assert lock.holder(path) == os.getpid()
    assert lock.holder(path) is None
