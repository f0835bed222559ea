"""Three friends' servers: made from a script of answers, brought up at the same time, one of them broken.

The tests go on from one another, in their order.
"""

from __future__ import annotations

import json
import time

import yaml

from sandbox import credentials, keys, visit
from sandbox.nixpkgs.tarball import NEXT_RELEASE
from tests.e2e.fleet.conftest import Fleet

NAMES = ("first", "second", "third")

_BROKEN = """{ config, lib, pkgs, ... }:
{
  # A new file for all of them, and a unit that fails on one.
  environment.etc.new.text = "new";
  systemd.services.broken = lib.mkIf (config.networking.hostName == "second") {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      Type = "oneshot";
      ExecStart = "${pkgs.coreutils}/bin/false";
    };
  };
}
"""


def answers(fleet: Fleet, **others: str) -> str:
    """What is typed for a new stack, a line for each question; empty is the default."""
    given = {
        "secretsProvider": "",
        "hcloud:token": credentials.HCLOUD_TOKEN,
        "dns": "",
        "dnsZone": "",
        "domain": "",
        "location": "nbg1",
        "serverType": "",
        "acmeEmail": "",
        "administrators": keys.ADMINISTRATOR,
        "its key": keys.public_key(fleet.world.state),
        "b2Bucket": credentials.B2_BUCKET,
        "b2KeyId": credentials.B2_KEY_ID,
        "b2ApplicationKey": credentials.B2_APPLICATION_KEY,
        "libraryBackup": "",
        "backupBucket": "",
        "backupKeyId": credentials.BACKUP_KEY_ID,
        "backupApplicationKey": credentials.BACKUP_APPLICATION_KEY,
    }
    return "".join(f"{each}\n" for each in {**given, **others}.values())


def test_a_wrong_answer_is_refused_with_its_key_and_what_was_answered_before_is_kept(
    fleet: Fleet,
) -> None:
    wrong = answers(fleet, b2ApplicationKey="K000wrongWrongWrongWrong0000001")
    done = fleet.run("new", "first", given=wrong)

    assert done.returncode == 2
    assert "b2KeyId: Backblaze does not take this keyID with this applicationKey" in done.stderr
    kept = yaml.safe_load((fleet.project.path / "Pulumi.first.yaml").read_text())["config"]
    assert kept["plex-on-nixos:domain"] == "first.films.sandbox"
    # The keys the other way round: that for the backups opens the other bucket.
    other = answers(
        fleet,
        b2KeyId=credentials.BACKUP_KEY_ID,
        b2ApplicationKey=credentials.BACKUP_APPLICATION_KEY,
    ).partition("\n")[2]
    done = fleet.run("new", "first", given=other)
    assert f"this key is for {credentials.BACKUP_BUCKET}, not for" in done.stderr


def test_three_stacks_are_made_from_a_script_of_answers(fleet: Fleet) -> None:
    rest = answers(fleet).partition("\n")[2]  # its secrets have a provider already
    assert (done := fleet.run("new", "first", given=rest)).returncode == 0, done.stderr
    for name in NAMES[1:]:
        done = fleet.run("new", name, given=answers(fleet))
        assert done.returncode == 0, done.stderr
        assert "cx23: 2 vCPU, 4 GB, disk 40 GB, 3.99 EUR a month" in done.stdout
        assert "it may deleteFiles, listBuckets" in done.stdout

    for name in NAMES:
        text = (fleet.project.path / f"Pulumi.{name}.yaml").read_text()
        for secret in (
            credentials.HCLOUD_TOKEN,
            credentials.B2_APPLICATION_KEY,
            credentials.BACKUP_APPLICATION_KEY,
        ):
            assert secret not in text
        config = yaml.safe_load(text)["config"]
        assert config["plex-on-nixos:domain"] == f"{name}.films.sandbox"
        assert config["plex-on-nixos:location"] == "nbg1"
        assert config["plex-on-nixos:nixosRelease"] == NEXT_RELEASE, "the newest that is pinned"
        # What Pulumi.yaml has for all of them.
        assert not {"plex-on-nixos:acmeEmail", "plex-on-nixos:serverType"} & config.keys()
        assert "  # The name that people open, such as" in text


def test_asked_again_with_nothing_but_enter_a_stack_stays_as_it_is(fleet: Fleet) -> None:
    path = fleet.project.path / "Pulumi.third.yaml"
    before = path.read_text()

    done = fleet.run("new", "third", given="\n" * 16)

    assert done.returncode == 0, done.stderr
    assert path.read_text() == before
    taken = fleet.run("new", "third", given="\n\n\nfirst.films.sandbox\n")
    assert "domain: that is the domain of the stack first" in taken.stderr


def test_before_there_is_a_server_status_says_so(fleet: Fleet) -> None:
    code, found = fleet.results("status", "first")

    assert code == 1
    assert found["first"]["problems"] == [
        "it has no server yet; `python -m fleet up first` makes it"
    ]


def test_all_come_up_at_the_same_time_after_the_canary(fleet: Fleet) -> None:
    done = fleet.run("up", "--canary", "first", "--json")

    assert done.returncode == 0, done.stderr + done.stdout
    assert [each["result"] for each in json.loads(done.stdout)["stacks"]] == ["done"] * 3
    lines = done.stderr.splitlines()
    ended = next(number for number, line in enumerate(lines) if " first   done" in line)
    begun = [number for number, line in enumerate(lines) if line.endswith("  starting")]
    assert begun[0] < ended < begun[1]
    assert any("first   install: " in line for line in lines), "what the host says as it goes"
    for name in NAMES:
        assert fleet.ssh(name, "sudo cat /var/lib/host/stack").strip() == name


def test_status_asks_each_for_an_owner_and_is_content_once_they_have_one(fleet: Fleet) -> None:
    for name in NAMES:
        visit.wait_for_certificate(f"https://{name}.films.sandbox", state=fleet.world.state)
    code, found = fleet.results("status")
    assert code == 1
    for name in NAMES:
        assert found[name]["problems"] == [
            "Plex has no owner, so the site is closed: claim it through the tunnel"
        ]
        visit.claim(fleet.outputs(name), state=fleet.world.state)

    done = fleet.run("status")

    assert done.returncode == 0, done.stdout
    assert "\x1b" not in done.stdout
    hosts = {line.split()[0]: line.split() for line in done.stdout.splitlines()[1:4]}
    for name in NAMES:
        assert hosts[name][1:4] == ["well", "converged", "1"]
    assert "5.29 EUR" in done.stdout
    _, found = fleet.results("status")
    assert found["first"]["host"]["bucket_bytes"] > 0
    assert found["first"]["money"]["hetzner"]["server_type"] == "cx23"


def test_backups_and_refreshes_of_all(fleet: Fleet) -> None:
    for errand, said in (("backup", "saved"), ("refresh", "files and folders")):
        code, results = fleet.results(errand)
        assert code == 0, results
        for name in NAMES:
            assert said in results[name]["message"]
        if errand == "backup":
            _, snapshot, _ = results["first"]["message"].split()
            assert snapshot in fleet.ssh("first", "sudo plex-library list")


def test_one_that_is_broken_goes_back_and_the_others_succeed(fleet: Fleet) -> None:
    fleet.pulumi("config", "set", "plex-on-nixos:hostName", "second", "--stack", "second")
    fleet.project.module("broken", _BROKEN)

    done = fleet.run("up", "--canary", "third")

    assert done.returncode == 1
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert rows["first"].split()[1:3] == rows["third"].split()[1:3] == ["done", "~1"]
    assert rows["second"].split()[1] == "failed"
    assert "newly failed: broken.service" in rows["second"]
    for name, new in (("first", "new"), ("second", ""), ("third", "new")):
        assert fleet.ssh(name, "cat /etc/new 2>/dev/null || :") == new

    status = fleet.run("status")
    assert status.returncode == 1
    (problem,) = [line for line in status.stdout.splitlines() if ": " in line and line[0] == "s"]
    assert problem.startswith("second: the last change failed: health: ")
    assert status.stdout.startswith(problem), "problems first"


def test_a_canary_that_fails_leaves_the_others_alone(fleet: Fleet) -> None:
    code, results = fleet.results("up", "--canary", "second")

    assert code == 1
    assert {name: each["result"] for name, each in results.items()} == {
        "first": "not begun",
        "second": "failed",
        "third": "not begun",
    }


def test_a_host_that_does_not_answer_is_a_line(fleet: Fleet) -> None:
    address = fleet.outputs("third")["ipv4"]
    began = time.monotonic()
    with fleet.world.rules(f"ip daddr {address} drop"):
        code, found = fleet.results("status", "first", "third")

    assert code == 1
    assert time.monotonic() - began < 30
    assert found["first"]["problems"] == []
    (problem,) = found["third"]["problems"]
    assert problem.startswith("does not answer: connect to host")
    assert "timed out" in problem


def test_a_server_goes_in_two_steps_after_its_name_was_typed(fleet: Fleet) -> None:
    refused = fleet.run("destroy", "third", given="third\n")
    assert refused.returncode == 1
    assert "first `pulumi config set protect false --stack third`" in refused.stdout
    assert len(fleet.world.api("GET", "/servers")["servers"]) == 3

    fleet.pulumi("config", "set", "plex-on-nixos:protect", "false", "--stack", "third")
    assert fleet.results("up", "third")[0] == 0
    done = fleet.run("destroy", "third", given="third\n")

    assert done.returncode == 0, done.stdout + done.stderr
    left = {each["labels"]["stack"] for each in fleet.world.api("GET", "/servers")["servers"]}
    assert left == {"first", "second"}
