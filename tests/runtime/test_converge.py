"""One change on a host: submit.sh, session.sh, converge.sh and nixpkgs.sh under real systemd, shell and Nix.

What is small is what they work on: a nixpkgs of one derivation whose systems write down how they are called,
and a health check that looks at the system's name.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.nixpkgs.tarball import NEXT_RELEASE, RELEASE
from tests.runtime.locks import held_by
from tests.runtime.lone_host import REPO, Host, host
from tests.runtime.managed import (
    NIXPKGS,
    PORT,
    UNIT,
    Change,
    Downloads,
    Managed,
    await_line,
    install,
    slow_change,
)


@pytest.fixture(scope="module")
def downloads() -> Downloads:
    return Downloads()


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory, downloads: Downloads) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("converge")) as running:
        for number in (1, 2, 3):
            downloads.make(running, number)
        with running.serving(downloads.app(), PORT):
            yield running


@pytest.fixture
def managed(lone: Host, downloads: Downloads) -> Iterator[Managed]:
    """A host whose configuration is called `zero`, on the first nixpkgs."""
    install(lone, downloads, 1)
    made = Managed(lone, downloads)
    yield made
    # The guard of a change that was left open reboots, once its supervisor is gone.
    lone.run("systemctl", "stop", "converge-guard.timer", "converge-guard.service")
    lone.run("systemctl", "stop", UNIT)
    (lone.root / "run/go").unlink(missing_ok=True)
    assert made.left_in_etc() == []


def test_a_change_takes_two_connections(managed: Managed) -> None:
    first = managed.session(Change("one"))
    assert first.status == 75, first.text
    assert '+{ name = "one";' in first.text
    assert first.text.splitlines()[-1].startswith("converge: waiting: ")
    assert managed.state == {
        "running": "one",
        "profile": "zero",
        "boots": "zero",
        "configured": "zero",
    }

    second = managed.session(Change("one"))
    assert second.status == 0, second.text
    managed.all_is("one")
    assert managed.switched == ["test one", "boot one"]
    assert second.text.splitlines()[0] == "converge: acknowledged"
    assert second.text.splitlines()[-1].startswith("converge: done: ")
    assert '"zero"' in managed.read("/etc/nixos.previous/configuration.nix")
    assert managed.read("/etc/nixos/host.nix") == "{ }\n"
    managed.ended()


def test_what_changes_nothing_takes_one_connection(managed: Managed) -> None:
    done = managed.session(Change("zero", seconds=61))
    assert done.status == 0, done.text
    assert "changes: none in the system" in done.text
    # Activated is nothing. What boots is written all the same: somebody may have had a hand in it.
    assert managed.switched == ["boot zero"]
    managed.all_is("zero")
    assert "ACKNOWLEDGE_SECONDS='61'" in managed.read("/etc/nixos/parameters")


def test_a_change_that_starts_the_mount_again_says_how_many_files_are_open(
    managed: Managed,
) -> None:
    unit = "mkdir -p $out/etc/systemd/system; echo ONE >$out/etc/systemd/system/media.service"
    change = Change("one", build=unit.replace("ONE", "1"))
    assert "the mount starts again" not in managed.session(change).text, "it was none before"
    assert managed.session(change).status == 0

    same = Change("two", build=unit.replace("ONE", "1"))
    assert "the mount starts again" not in managed.session(same).text
    assert managed.session(same).status == 0

    other = managed.session(Change("three", build=unit.replace("ONE", "2")))
    said = "changes: the mount starts again, and Plex with it; files that are open there: 0"
    assert f"converge: {said}\n" in other.text


def test_without_an_acknowledgement_it_goes_back_and_says_so_once(managed: Managed) -> None:
    change = Change("one", seconds=15)
    assert managed.session(change).status == 75
    managed.ended()
    managed.all_is("zero")
    assert managed.switched == ["test one", "test zero"]

    late = managed.session(change)
    assert late.status == 1
    assert "no second connection came within 15 s" in late.text
    assert "the host is back on the generation before" in late.text.splitlines()[-1]
    assert managed.switched == ["test one", "test zero"]

    assert managed.session(change).status == 75
    assert managed.switched[2:] == ["test one"]


def test_another_change_is_refused_while_one_is_made(managed: Managed) -> None:
    slow = slow_change()
    with managed.begun(slow) as first:
        await_line(first, "converge: build")
        refused = managed.session(Change("two"))
        assert refused.status == 1
        assert refused.text.startswith(
            "converge: another change is being made on this host, by `pulumi up` from "
        )
        assert len(refused.text.splitlines()) == 1

        managed.host.write("/run/go", "")
        await_line(first, "converge: waiting: ")
        assert first.wait(60) == 75
    refused = managed.session(Change("two"))
    assert refused.status == 1
    assert managed.session(slow).status == 0
    managed.all_is("one")


_NEWER = """#!/bin/sh
case $* in
  *//channels.nixos.org/*) printf %s {url} ;;
  *) exec /usr/bin/curl "$@" ;;
esac
"""


def test_nobody_else_can_hold_its_lock(lone: Host, managed: Managed) -> None:
    """Who may open a file to read may lock it. An upgrade comes before the first change of a boot."""
    lone.write("/usr/local/bin/curl", _NEWER.format(url=managed.downloads.url(2)), 0o755)
    try:
        lone.ok("sh", "/etc/nixos/host/upgrade.sh", "300", "120", "false")
    finally:
        lone.ok("rm", "/usr/local/bin/curl")
    assert lone.ok("cat", "/run/current-system/nixpkgs") == "2\n"

    with held_by(lone, "plex", "/etc/nixos", "/run") as held:
        assert held > 0
        assert managed.session(Change("one")).status == 75


def test_a_lock_is_not_waited_for_for_ever(lone: Host, managed: Managed) -> None:
    lone.write("/usr/local/bin/flock", '#!/bin/sh\nexec /usr/bin/flock -w 1 "$3"\n', 0o755)
    lone.ok("sh", "-c", "mkdir -p -m 700 /run/host-locks && touch /run/host-locks/change")
    try:
        with held_by(lone, "root", "/run/host-locks"):
            refused = managed.session(Change("one"))
    finally:
        lone.ok("rm", "/usr/local/bin/flock")
    assert refused.status == 1
    assert "`lslocks` names the process that holds /run/host-locks/change" in refused.text
    assert managed.session(Change("one")).status == 75


def test_of_changes_at_the_same_moment_one_is_made(managed: Managed) -> None:
    changes = [Change(f"change-{number}") for number in range(4)]
    with ThreadPoolExecutor(len(changes)) as pool:
        sessions = list(pool.map(managed.session, changes))

    (made,) = [each for each, session in zip(changes, sessions, strict=True) if session.status != 1]
    assert managed.session(made).status == 0
    managed.all_is(made.name)
    for session in sessions:
        if session.status != 75:
            assert session.text.startswith("converge: another change is being made on this host")


def test_another_stacks_host_is_left_alone(managed: Managed) -> None:
    done = managed.session(Change("one", stack="dev"))
    assert done.status == 1
    assert "this host belongs to the stack prod, not to dev" in done.text
    managed.all_is("zero")
    assert managed.switched == []


def test_a_failed_build_leaves_all_as_it_was(managed: Managed) -> None:
    done = managed.session(Change("one", build="echo no such thing >&2; exit 3"))
    assert done.status == 1
    assert "no such thing" in done.text
    assert done.text.splitlines()[-1].startswith("converge: failed: build: ")
    managed.all_is("zero")
    assert managed.switched == []

    assert managed.session(Change("one")).status == 75


def test_an_error_in_the_configuration_is_told_with_its_place(managed: Managed) -> None:
    done = managed.session(Change("one", build='"; wrong = '))
    assert done.status == 1
    assert "/etc/nixos.next/configuration.nix:1" in done.text
    managed.all_is("zero")


def test_failed_health_goes_back(managed: Managed) -> None:
    done = managed.session(Change("ill"))
    assert done.status == 1
    assert "health: this one is ill" in done.text
    assert done.text.splitlines()[-1].startswith("converge: failed: health: ")
    managed.all_is("zero")
    assert managed.switched == ["test ill", "test zero"]

    # What has been told is not told again: the same is tried again.
    assert managed.session(Change("ill")).status == 1
    assert managed.switched == ["test ill", "test zero"] * 2
    assert managed.session(Change("well")).status == 75


def test_a_failed_activation_goes_back(managed: Managed) -> None:
    done = managed.session(Change("one", activate="exit 2"))
    assert done.status == 1
    assert done.text.splitlines()[-1].startswith("converge: failed: activate: ")
    managed.all_is("zero")
    assert managed.switched == ["test one", "test zero"]


@pytest.mark.parametrize(("name", "status"), [("well", 75), ("ill", 1)])
def test_of_a_unit_that_failed_health_has_the_last_word(
    name: str, status: int, managed: Managed
) -> None:
    # What NixOS's switch-to-configuration says of it.
    assert managed.session(Change(name, activate="exit 4")).status == status


def test_a_session_prints_the_end_that_it_ends_with(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("")
    # The last line comes at the worst moment: after the log's size has been taken.
    script = """
    set -eu
    name=work unit=none work=$1
    . "$2"
    at_work() { [ ! -s "$work/log" ]; }
    wc() {
      command wc "$@"
      [ -s "$work/log" ] || echo "work: failed: for a reason" >"$work/log"
    }
    follow 0
    """
    assert session_prints(script, tmp_path) == "work: failed: for a reason\n"


@pytest.mark.parametrize(("works", "looks"), [(3, 4), (1000, 601)])
def test_a_session_ends_when_nobody_would_be_refused_any_more(
    tmp_path: Path, works: int, looks: int
) -> None:
    (tmp_path / "log").write_text("work: done: all of it\n")
    script = f"""
    set -eu
    name=work unit=none work=$1 looks=0
    . "$2"
    at_work() {{ looks=$((looks + 1)); [ "$looks" -le {works} ]; }}
    sleep() {{ :; }}
    follow 0
    echo "$looks"
    """
    # A unit that does not end is not waited for without end.
    assert session_prints(script, tmp_path) == f"work: done: all of it\n{looks}\n"


def session_prints(script: str, folder: Path) -> str:
    """What a shell prints that is given a folder, and session.sh's path."""
    session = str(REPO / "nix/host/session.sh")
    command = ["sh", "-c", script, "sh", str(folder), session]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def test_a_cut_connection_is_taken_up_again(managed: Managed) -> None:
    slow = slow_change()
    with managed.begun(slow) as first:
        await_line(first, "converge: build")
    with managed.begun(slow) as second:
        await_line(second, "converge: build")
        managed.host.write("/run/go", "")
        await_line(second, "converge: waiting: ")
        assert second.wait(60) == 75
    assert managed.session(slow).status == 0
    managed.all_is("one")
    assert managed.switched == ["test one", "boot one"]


def test_a_connection_cut_after_the_acknowledgement_loses_nothing(managed: Managed) -> None:
    change = Change("one")
    assert managed.session(change).status == 75
    with managed.begun(change) as second:
        await_line(second, "converge: acknowledged")
    managed.ended()
    managed.all_is("one")
    assert managed.session(change).status == 0
    managed.all_is("one")


def test_a_supervisor_that_dies_is_told(managed: Managed) -> None:
    slow = slow_change()
    with managed.begun(slow) as first:
        await_line(first, "converge: build")
        managed.host.ok("systemctl", "kill", "--signal=KILL", UNIT)
        await_line(first, "converge: failed: the supervisor ended without a word")
        assert first.wait(60) == 1
    managed.host.write("/run/go", "")
    assert managed.session(slow).status == 75


def test_a_newer_pin_brings_its_nixpkgs(managed: Managed) -> None:
    downloads = managed.downloads
    newer = Change("zero", nixpkgs=2)
    assert managed.session(newer).status == 75
    assert managed.trees() == {downloads.name(1), downloads.name(2)}
    assert managed.session(newer).status == 0
    assert managed.trees() == {downloads.name(2)}
    assert managed.host.ok("cat", "/run/current-system/nixpkgs") == "2\n"


def test_the_pin_is_a_floor(lone: Host, managed: Managed) -> None:
    install(lone, managed.downloads, 2)
    change = Change("one", nixpkgs=1)
    first = managed.session(change)
    assert first.status == 75, first.text
    assert f"brought this host to {managed.downloads.name(2)} already" in first.text
    assert managed.session(change).status == 0
    assert managed.trees() == {managed.downloads.name(2)}
    assert managed.host.ok("cat", "/run/current-system/nixpkgs") == "2\n"


def test_an_upgrade_does_not_go_back(lone: Host, managed: Managed) -> None:
    install(lone, managed.downloads, 2)
    older = f"{NIXPKGS}/{managed.downloads.name(1)}"
    managed.host.ok("mkdir", older)
    said = managed.host.ok("sh", "/etc/nixos/host/converge.sh", older)
    assert f"brought this host to {managed.downloads.name(2)} already" in said
    assert managed.trees() == {managed.downloads.name(2)}
    assert managed.host.ok("cat", "/run/current-system/nixpkgs") == "2\n"


def test_a_new_release_is_a_change_like_any_other(managed: Managed) -> None:
    change = Change("one", nixpkgs=3)
    first = managed.session(change)
    assert first.status == 75, first.text
    assert f"+RELEASE='{NEXT_RELEASE}'" in first.text
    assert managed.session(change).status == 0
    managed.all_is("one")
    assert managed.trees() == {managed.downloads.name(3)}
    assert managed.host.ok("cat", "/run/current-system/nixpkgs") == "3\n"
    # What the installation has recorded, stateVersion above all, stays.
    assert managed.read("/etc/nixos/host.nix") == "{ }\n"


def test_a_host_does_not_go_back_to_an_older_release(lone: Host, managed: Managed) -> None:
    install(lone, managed.downloads, 3)
    refused = managed.session(Change("one", nixpkgs=2))
    assert refused.status == 1
    assert refused.text.splitlines()[-1] == (
        f"converge: failed: nixpkgs: this host has NixOS {NEXT_RELEASE}, and does not go back to {RELEASE}: "
        f'set nixosRelease to "{NEXT_RELEASE}" again; the host is as it was'
    )
    managed.all_is("zero")
    assert managed.switched == []
    assert managed.trees() == {managed.downloads.name(3)}

    older = f"{NIXPKGS}/{managed.downloads.name(2)}"
    managed.host.ok("mkdir", older)
    upgrade = managed.host.run("sh", "/etc/nixos/host/converge.sh", older)
    assert upgrade.returncode == 1
    assert f"does not go back to {RELEASE}" in upgrade.stdout
    managed.host.ok("rmdir", older)

    assert managed.session(Change("zero", nixpkgs=3)).status == 0
    managed.all_is("zero")


def test_of_the_end_of_support_a_change_leaves_it_to_the_program_to_speak(managed: Managed) -> None:
    done = managed.session(Change("zero", support_ends="2026-10-31"))
    assert done.status == 0, done.text
    assert "support: " not in done.text


def test_a_nixpkgs_of_another_hash_is_refused(managed: Managed) -> None:
    wrong = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    done = managed.session(Change("one", nixpkgs=2, sha256=wrong))
    assert done.status == 1
    assert f"has the hash {managed.downloads.sha256[2]}, but the pin says {wrong}" in done.text
    assert managed.trees() == {managed.downloads.name(1)}
    managed.all_is("zero")


def test_an_interrupted_download_leaves_nothing_half(managed: Managed) -> None:
    downloads = managed.downloads
    downloads.hangs.set()
    downloads.hanging.clear()
    script = "/etc/nixos/host/nixpkgs.sh"
    arguments = [NIXPKGS, downloads.url(2), downloads.sha256[2]]
    # As converge.sh runs it.
    with subprocess.Popen(
        managed.host.command("timeout", "600", "sh", script, *arguments),
        stderr=subprocess.DEVNULL,
    ) as process:
        assert downloads.hanging.wait(60)
        managed.host.ok("pkill", "-TERM", "-x", "timeout")
        assert process.wait(60) != 0
    downloads.hangs.clear()
    assert managed.trees() == {downloads.name(1)}

    assert managed.host.ok("sh", script, *arguments) == f"{NIXPKGS}/{downloads.name(2)}\n"
    assert managed.trees() == {downloads.name(1), downloads.name(2)}
