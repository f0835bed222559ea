"""The life of a stack: from nothing to a serving host, what every later run does to it, and its end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
import xml.etree.ElementTree as ElementTree

import pytest

from components.identity import private_text
from sandbox import credentials, prepare
from sandbox.nixpkgs import tarball as nixpkgs
from sandbox.paths import REPO
from tests.e2e import machine
from tests.e2e.sandbox import Sandbox
from tests.e2e.stack import Stack
from tests.e2e.world import COUNT_SSH
from tests.warned import RETRY, warned

URL = "https://plex.films.sandbox"
PAGE = "This Plex server has not been claimed yet"


def resources(done_output: str) -> dict[str, int]:
    """Pulumi's closing count of resources, as {"unchanged": 22}."""
    closing = done_output.split("Resources:")[-1]
    return {what: int(count) for count, what in re.findall(r"(\d+) (\w+)", closing)}


def seeds(sandbox: Sandbox) -> dict[str, str]:
    """What the stack's private keys are made of, and the backups' password, by their resources' names."""
    exported = sandbox.pulumi("stack", "export", "--show-secrets").stdout
    return {
        each["urn"].rsplit("::", 1)[1]: json.loads(each["outputs"]["base64"]["plaintext"])
        for each in json.loads(exported)["deployment"]["resources"]
        if each["type"] == "random:index/randomBytes:RandomBytes"
    }


def key_line(seed: str) -> str:
    """A private key as it stands in a file."""
    return private_text(seed).splitlines()[1]


def test_a_media_file_arrives_by_https_as_it_is_in_the_bucket(sandbox: Sandbox) -> None:
    assert "One Note, Unabridged.wav: the same by HTTPS as in the bucket" in sandbox.first.stdout
    assert f"{URL} is closed, until Plex has an owner" in sandbox.first.stdout


def test_a_first_run_warns_of_nothing(sandbox: Sandbox) -> None:
    assert warned(sandbox.first.stdout + sandbox.first.stderr) == []


def test_an_unclaimed_host_serves_nothing_but_the_page(sandbox: Sandbox) -> None:
    settings = sandbox.ssh("sudo cat '/var/lib/plex/Plex Media Server/Preferences.xml'")
    token = ElementTree.fromstring(settings).attrib["PlexOnlineToken"]
    account = f"http://127.0.0.1:32400/myplex/account?X-Plex-Token={token}"
    sandbox.ssh(f"curl -fsS -X DELETE '{account}'")
    sandbox.ssh("while test -e /run/plex-gate/open; do sleep 0.1; done")
    forged = ["-H", "X-Forwarded-For: 127.0.0.1", "-H", "X-Real-IP: 127.0.0.1"]
    for path in ("/", "/web", "/identity", "/library/all", "/myplex/claim?token=claim-x"):
        for more in ([], ["-X", "POST"], forged):
            answer = sandbox.curl("-i", *more, f"{URL}{path}").stdout
            assert answer.startswith("HTTP/2 503"), answer
            assert PAGE in answer
            assert "retry-after: 30" in answer.lower()
    again = sandbox.python("-m", "sandbox", "up")
    assert again.returncode == 0, again.stdout + again.stderr
    machine.until(Stack(sandbox, "sandbox"), "[ -e /run/plex-gate/open ]")
    assert sandbox.curl(f"{URL}/identity", "-o", "/dev/null", "-w", "%{http_code}").stdout == "200"


def test_a_second_run_changes_nothing_and_opens_no_connection(sandbox: Sandbox) -> None:
    with sandbox.rules(COUNT_SSH):
        done = sandbox.pulumi("up", "--yes")
        connections = sandbox.counted()
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(resources(done.stdout)) == {"unchanged"}
    assert connections == 0
    assert warned(done.stdout + done.stderr) == []


def test_a_preview_of_nothing_works_without_the_api(sandbox: Sandbox) -> None:
    with sandbox.rules("tcp dport 8000 reject with tcp reset"):
        done = sandbox.pulumi("preview")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(resources(done.stdout)) == {"unchanged"}
    assert warned(done.stdout + done.stderr) == []


def test_a_changed_time_zone_is_one_line_and_two_connections(sandbox: Sandbox) -> None:
    sandbox.set("timeZone", "Europe/Berlin")
    preview = sandbox.pulumi("preview", "--diff")
    changed = re.findall(r"^\s*([+-])\s+(\S.*)$", preview.stdout, re.MULTILINE)
    assert changed == [
        ("-", 'time.timeZone = "UTC";'),
        ("+", 'time.timeZone = "Europe/Berlin";'),
    ], preview.stdout
    assert warned(preview.stdout + preview.stderr) == []

    with sandbox.rules(COUNT_SSH):
        done = sandbox.pulumi("up", "--yes", "--skip-preview")
        connections = sandbox.counted()
    assert done.returncode == 0, done.stdout + done.stderr
    counts = resources(done.stdout)
    assert counts.pop("updated") == 1
    assert set(counts) == {"unchanged"}
    assert connections == 2
    assert warned(done.stdout + done.stderr) == [RETRY]
    assert sandbox.ssh("date +%Z").strip() in ("CET", "CEST")
    assert sandbox.ssh("readlink /etc/localtime").strip().endswith("Europe/Berlin")


def test_a_failed_build_leaves_the_host_as_it_was(sandbox: Sandbox) -> None:
    before = sandbox.ssh("readlink -f /run/current-system")
    sandbox.set("packages[0]", "no-such-package")
    done = sandbox.pulumi("up", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert "nixpkgs has no package no-such-package" in done.stdout + done.stderr
    assert "the host is as it was" in done.stdout + done.stderr
    assert sandbox.ssh("readlink -f /run/current-system") == before
    sandbox.set("packages[0]", "htop")
    assert sandbox.pulumi("up", "--yes", "--skip-preview").returncode == 0


@pytest.mark.parametrize("zone", ["Asia/Tokyo"])
def test_a_lost_acknowledgement_is_rolled_back_and_the_next_run_succeeds(
    sandbox: Sandbox, zone: str
) -> None:
    before = sandbox.ssh("readlink -f /run/current-system").strip()
    sandbox.set("acknowledgeSeconds", "10")
    sandbox.set("timeZone", zone)
    # The first connection gets through; those after it meet silence until the host has gone back.
    stack = Stack(sandbox, "sandbox")
    with (
        sandbox.rules(
            "ip daddr 203.0.113.0/24 tcp dport 22 tcp flags & (syn | ack) == syn"
            " limit rate over 1/hour burst 1 packets drop"
        ) as instead,
        stack.running("up", "--yes", "--skip-preview") as process,
    ):
        machine.until_said(process, "converge: waiting: ")
        machine.until(stack, '[ "$(jq -r .state /var/lib/converge/status.json)" = failed ]')
        instead()
        said, _ = process.communicate()
    assert process.returncode != 0, said
    assert "no second connection came within 10 s" in said
    assert sandbox.ssh("readlink -f /run/current-system").strip() == before

    sandbox.set("acknowledgeSeconds", "120")
    again = sandbox.pulumi("up", "--yes", "--skip-preview")
    assert again.returncode == 0, again.stdout + again.stderr
    assert sandbox.ssh("readlink /etc/localtime").strip().endswith(zone)


def test_a_key_that_does_not_work_is_put_back(sandbox: Sandbox) -> None:
    sandbox.set("b2KeyId", "0005a1b2c3d4e5f0000000009")
    done = sandbox.pulumi("up", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert "the old set is in use. Check b2KeyId" in done.stdout + done.stderr
    assert "One Note" in sandbox.ssh("ls -R /mnt/media")
    sandbox.set("b2KeyId", credentials.B2_KEY_ID)
    assert sandbox.pulumi("up", "--yes", "--skip-preview").returncode == 0


def test_a_server_type_that_does_not_do_is_refused_in_the_preview(sandbox: Sandbox) -> None:
    for kind, reason in (
        ("cx99", "cx99 in fsn1: there is no such type"),
        ("cpx11", "cpx11 in fsn1: it can no longer be ordered"),
        ("cax11", "a server cannot go from cx23 (x86_64) to cax11 (aarch64)"),
    ):
        sandbox.set("serverType", kind)
        done = sandbox.pulumi("preview")
        assert done.returncode != 0
        assert reason in done.stdout + done.stderr
    sandbox.set("serverType", "cx33")
    done = sandbox.pulumi("up", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "switches the server's power off" in done.stdout + done.stderr
    # `up` has ended when the power is on again.
    stack = Stack(sandbox, "sandbox")
    machine.until_up(stack)
    machine.until(stack, '[ "$(systemctl is-active media plex nginx | uniq)" = active ]')


def test_an_upgrade_goes_beyond_the_pin_and_stays_there(sandbox: Sandbox) -> None:
    newer = nixpkgs.make(nixpkgs.RELEASE, number=2)
    prepare.publish(sandbox.state, newer.url, newer.content)
    sandbox.ssh("sudo systemctl start upgrade")
    assert sandbox.ssh("readlink /var/lib/nixpkgs/current").strip() == newer.name
    version = sandbox.ssh("cat /run/current-system/nixos-version").strip()
    assert newer.name.removeprefix("nixos-") in version

    sandbox.set("timeZone", "Europe/Lisbon")
    done = sandbox.pulumi("up", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"an upgrade has brought this host to {newer.name} already" in done.stdout
    assert sandbox.ssh("cat /run/current-system/nixos-version").strip() == version


def test_the_next_release_is_one_line_and_there_is_no_way_back(sandbox: Sandbox) -> None:
    sandbox.set("nixosRelease", nixpkgs.NEXT_RELEASE)
    preview = sandbox.pulumi("preview", "--diff")
    changed = re.findall(r"^\s*([+-]) ([A-Z_]\w+)=(.*)$", preview.stdout, re.MULTILINE)
    assert ("-", "RELEASE", nixpkgs.RELEASE) in changed, preview.stdout
    assert ("+", "RELEASE", nixpkgs.NEXT_RELEASE) in changed
    told = {"RELEASE", "SUPPORT_ENDS", "NIXPKGS_URL", "NIXPKGS_SHA256"}
    assert {name for _, name, _ in changed} == told

    done = sandbox.pulumi("up", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout + done.stderr
    state_version = "(import <nixpkgs/nixos> { }).config.system.stateVersion"
    asked = (
        f"sudo nix-instantiate --eval -E '{state_version}'; cat /run/current-system/nixos-version"
    )
    evaluated, version = sandbox.ssh(asked).splitlines()
    assert evaluated == f'"{nixpkgs.RELEASE}"'
    assert version.startswith(f"{nixpkgs.NEXT_RELEASE}.1.")

    newer = nixpkgs.make(nixpkgs.NEXT_RELEASE, number=2)
    prepare.publish(sandbox.state, newer.url, newer.content)
    sandbox.ssh("sudo systemctl start upgrade")

    sandbox.set("nixosRelease", nixpkgs.RELEASE)
    done = sandbox.pulumi("up", "--yes", "--skip-preview")
    assert done.returncode != 0
    refusal = (
        f"this host has NixOS {nixpkgs.NEXT_RELEASE}, and does not go back to {nixpkgs.RELEASE}"
    )
    assert refusal in done.stdout + done.stderr
    assert sandbox.ssh("readlink /var/lib/nixpkgs/current").strip() == newer.name
    sandbox.set("nixosRelease", nixpkgs.NEXT_RELEASE)
    again = sandbox.pulumi("up", "--yes", "--skip-preview")
    assert set(resources(again.stdout)) == {"unchanged"}, again.stdout + again.stderr


def test_no_secret_lies_where_it_should_not(sandbox: Sandbox) -> None:
    random = seeds(sandbox)
    install_host = key_line(random.pop("sandbox-install-host"))
    secrets = {
        "Hetzner's token": credentials.HCLOUD_TOKEN,
        "B2's application key": credentials.B2_APPLICATION_KEY,
        "the backups' application key": credentials.BACKUP_APPLICATION_KEY,
        **random,
        **{f"the key of {name}": key_line(seed) for name, seed in random.items()},
    }
    canary = f"canary-{uuid.uuid4()}"
    places = {
        "a file that others can read": "grep -rslF -f $words /etc /var /home /run /tmp",
        "a command line": "sudo cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -F -f $words",
        "the store": f"sudo nix-store --add /tmp/{canary} >/dev/null; sudo grep -rlF -f $words /nix/store",
        "the journal": f"logger {canary}; sudo journalctl --sync; sudo journalctl -o cat | grep -F -f $words",
    }
    # In a file that is searched nowhere: as an argument the words would find themselves.
    begins = (
        f"words=$(mktemp -p /dev/shm); cat >$words; echo {canary} | tee -a $words >/tmp/{canary}"
    )
    ends = f"rm $words /tmp/{canary}"
    for place, command in places.items():
        found = sandbox.ssh(
            f"{begins}; {command}; {ends}", "".join(f"{secret}\n" for secret in secrets.values())
        )
        lines = found.splitlines()
        assert any(canary in line for line in lines), f"{place} is not searched"
        others = [line for line in lines if canary not in line]
        assert not others, f"{', '.join(secrets)}: one of them is in {place}: {others}"
    for name, secret in secrets.items():
        for path in (sandbox.state / "pulumi-state").rglob("*"):
            if path.is_file():
                assert secret.encode() not in path.read_bytes(), f"{name} is in {path}"
        for path in [
            *sandbox.state.rglob("*.log"),
            *(sandbox.state / "pulumi-home").rglob("*.log"),
        ]:
            assert secret.encode() not in path.read_bytes(), f"{name} is in {path}"
    ask = "curl -fsS http://169.254.169.254/hetzner/v1/userdata"
    # Refused, and at once: the server's user data is root's alone.
    assert sandbox.ssh(f"{ask} || echo $?").strip() == "7"
    user_data = sandbox.ssh(f"sudo {ask}")
    # The one exception: the installer's host key, which is worthless once NixOS runs.
    assert install_host in user_data
    for name, secret in secrets.items():
        assert secret not in user_data, f"{name} is in user_data"


def test_destroy_of_a_protected_stack_sends_nothing(sandbox: Sandbox) -> None:
    sandbox.set("protect", "true")
    assert sandbox.pulumi("up", "--yes", "--skip-preview").returncode == 0
    log = sandbox.state / "world.log"
    before = len(log.read_text())
    done = sandbox.pulumi("destroy", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert "cannot be deleted" in done.stdout
    assert "first-set-protect-to-false-and-run-pulumi-up" in done.stdout
    assert "deleted" not in resources(done.stdout)
    assert not re.findall(r'"(?:POST|PUT|DELETE) /v1/\S+', log.read_text()[before:])
    sandbox.set("protect", "false")
    assert sandbox.pulumi("up", "--yes", "--skip-preview").returncode == 0


def test_destroy_takes_everything_away(sandbox: Sandbox) -> None:
    done = sandbox.pulumi("destroy", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout + done.stderr
    assert warned(done.stdout + done.stderr) == []
    assert sandbox.left_at_hetzner("sandbox") == {}


def test_an_interrupted_run_is_picked_up_by_the_next(sandbox: Sandbox) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "up"],
        cwd=REPO,
        env=sandbox.environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "install: partitions" in line:
                os.killpg(process.pid, signal.SIGINT)
                break
        rest = process.stdout.read()
    assert process.returncode != 0, rest
    done = sandbox.python("-m", "sandbox", "up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the same by HTTPS as in the bucket" in done.stdout
