"""What boots, and what a boot settles: default.sh, boot-once.sh, recover.sh, booted.sh, and drift.sh."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.runtime.lone_host import Host, host
from tests.runtime.managed import PORT, UNIT, Change, Downloads, Managed, install

PROFILE = "/nix/var/nix/profiles/system"


@pytest.fixture(scope="module")
def downloads() -> Downloads:
    return Downloads()


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory, downloads: Downloads) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("recover")) as running:
        downloads.make(running, 1)
        # A guard that fired would take the host away from the tests after this one.
        running.write("/usr/local/bin/systemctl", _SYSTEMCTL, 0o755)
        with running.serving(downloads.app(), PORT):
            yield running


_SYSTEMCTL = """#!/bin/sh
[ "$1" != reboot ] || { touch /run/rebooted; exit 0; }
exec /usr/bin/systemctl "$@"
"""


@pytest.fixture
def managed(lone: Host, downloads: Downloads) -> Iterator[Managed]:
    """A host whose configuration is called `zero`."""
    install(lone, downloads, 1)
    (lone.root / "run/rebooted").unlink(missing_ok=True)
    yield Managed(lone, downloads)
    lone.run("systemctl", "stop", "converge-guard.timer", "converge-guard.service")
    lone.run("systemctl", "stop", UNIT)


def change(managed: Managed, made: Change) -> str:
    """A whole `pulumi up`; what its last connection printed."""
    assert managed.session(made).status == 75
    done = managed.session(made)
    assert done.status == 0, done.text
    managed.ended()
    return done.text


def forgets(managed: Managed) -> None:
    """What GRUB does before it boots what was to be booted once: the variable stays, without a value."""
    managed.host.ok("grub-editenv", "/boot/grub/grubenv", "set", "next_entry=")


def drift(managed: Managed) -> tuple[int, list[str]]:
    done = managed.host.run("sh", "/etc/nixos/host/drift.sh")
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_a_change_that_needs_no_boot_is_the_default_at_once(managed: Managed) -> None:
    change(managed, Change("one"))
    assert managed.state["boots"] == "one"
    assert managed.boots_once() is None
    assert managed.status()["state"] == "converged"
    assert managed.status()["generation"] == 2
    assert managed.status()["system"] == managed.host.ok("readlink", "-f", PROFILE).strip()


def test_another_kernel_is_booted_once_and_then_the_default(managed: Managed) -> None:
    said = change(managed, Change("one", kernel=7))
    assert "kernel can be tested by a boot alone" in said
    assert said.splitlines()[-1].startswith("converge: done: the next reboot tries /nix/store/")
    assert managed.state == {
        "running": "one",
        "profile": "one",
        "boots": "zero",
        "configured": "one",
    }
    assert managed.boots_once() == "one"
    assert managed.status()["state"] == "pending"
    assert drift(managed)[0] == 0

    # Another change before the reboot: what boots by default is still what has booted.
    change(managed, Change("two", kernel=7))
    assert managed.state["boots"] == "zero"
    assert managed.boots_once() == "two"

    forgets(managed)
    managed.boot(PROFILE)
    managed.all_is("two")
    assert managed.status()["state"] == "converged"
    assert drift(managed) == (0, ["drift: none"])


def test_what_cannot_be_changed_while_it_runs_waits_for_a_boot_as_a_whole(managed: Managed) -> None:
    done = managed.session(Change("one", bus="daemon"))
    assert done.status == 0, done.text
    assert "boot: what cannot be changed while it runs can be tested by a boot alone" in done.text
    assert managed.state == {
        "running": "zero",
        "profile": "one",
        "boots": "zero",
        "configured": "one",
    }
    assert managed.switched == ["boot zero"]
    assert managed.boots_once() == "one"

    forgets(managed)
    managed.boot(PROFILE)
    managed.all_is("one")


def test_a_kernel_that_does_not_come_up_leaves_the_generation_before(managed: Managed) -> None:
    change(managed, Change("one", kernel=7))
    forgets(managed)
    managed.boot("/boot-default")

    assert managed.state["running"] == "zero"
    assert "was booted once, and did not stay up" in str(managed.status()["message"])
    status, lines = drift(managed)
    assert status == 1
    assert any(line.startswith("drift: note: the last change has failed: ") for line in lines)
    # It is over with: a later boot is one like any other, and a change brings it all in order.
    change(managed, Change("two"))
    managed.boot(PROFILE)
    managed.all_is("two")
    assert drift(managed) == (0, ["drift: none"])


def test_a_first_boot_without_health_reboots_into_the_default(managed: Managed) -> None:
    change(managed, Change("one", kernel=7))
    forgets(managed)
    managed.host.write("/etc/nixos/host/health.sh", "echo no route; [ $1 != host ]\n")
    managed.boot(PROFILE)
    assert managed.state["boots"] == "zero"
    assert (managed.host.root / "run/rebooted").exists()


def test_a_first_boot_that_loses_its_network_later_reboots_too(managed: Managed) -> None:
    change(managed, Change("one", kernel=7))
    forgets(managed)
    # Well once, and never again.
    managed.host.write("/etc/nixos/host/health.sh", "[ $1 = host ] && mkdir /run/converge/once\n")
    managed.boot(PROFILE)
    assert managed.state["boots"] == "zero"
    assert (managed.host.root / "run/rebooted").exists()


def test_a_first_boot_with_the_world_in_disorder_stays_and_is_no_default(managed: Managed) -> None:
    change(managed, Change("one", kernel=7))
    forgets(managed)
    managed.host.write("/etc/nixos/host/health.sh", "[ $1 != service ]\n")
    managed.boot(PROFILE)
    assert managed.state["boots"] == "zero"
    assert not (managed.host.root / "run/rebooted").exists()
    # The next change that succeeds makes good for it.
    change(managed, Change("two", kernel=7))
    managed.all_is("two")


def test_a_power_cut_before_the_default_goes_back(managed: Managed) -> None:
    assert managed.session(Change("one")).status == 75
    managed.host.ok("systemctl", "stop", "converge-guard.timer")
    managed.host.ok("systemctl", "kill", "--signal=KILL", UNIT)
    managed.ended()
    managed.boot("/boot-default")
    managed.all_is("zero")
    assert "the host went down while a change was on trial" in str(managed.status()["message"])
    change(managed, Change("one"))
    managed.all_is("one")


_SETTLES = """[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=sh -ec 'until [ -e /run/settles ]; do sleep 0.1; done; sh /etc/nixos/host/recover.sh'
"""


def test_a_session_that_comes_before_a_boot_has_settled_waits_for_it(managed: Managed) -> None:
    host = managed.host
    assert managed.session(Change("one")).status == 75
    host.ok("systemctl", "stop", "converge-guard.timer")
    host.ok("systemctl", "kill", "--signal=KILL", UNIT)
    managed.ended()
    host.write("/run/systemd/system/converge-recover.service", _SETTLES)
    host.ok(
        "sh", "-ec", "rm -r /run/converge; ln -sfn $(readlink -f /boot-default) /run/booted-system"
    )
    host.ok("systemctl", "start", "--no-block", "converge-recover")
    try:
        with managed.begun(Change("two")) as session:
            waits = "until pgrep -f '^[a-z/]*systemctl start converge-recover' >/dev/null; do sleep 0.1; done"
            host.ok("sh", "-c", waits)
            assert not (host.root / "run/converge").exists()
            host.ok("touch", "/run/settles")
            assert session.stdout is not None
            said = session.stdout.read()
            assert session.wait() == 75, said
        assert "half done" not in said
    finally:
        host.ok(
            "sh",
            "-c",
            "systemctl stop converge-recover; rm /run/systemd/system/converge-recover.service",
        )
        host.ok("systemctl", "daemon-reload")


def test_a_power_cut_after_the_default_goes_on(managed: Managed) -> None:
    # The acceptance meets an /etc that is gone for a moment, as far as it can tell.
    made = Change("one")
    assert managed.session(made).status == 75
    managed.host.write("/etc/nixos.next/host/accept.sh", "exit 1\n")
    done = managed.session(made)
    assert done.status == 1
    assert "the new generation is the boot default nevertheless" in done.text.splitlines()[-1]
    assert managed.state["boots"] == "one"

    text = made.files(managed.downloads)["host/accept.sh"]
    managed.host.write("/etc/nixos/host/accept.sh", text)
    managed.host.write("/etc/nixos.next/host/accept.sh", text)
    managed.host.ok("systemctl", "stop", "converge-guard.timer")
    managed.boot("/boot-default")
    managed.all_is("one")
    assert managed.status()["state"] == "converged"


def test_a_supervisor_that_dies_is_noticed_by_the_guard(managed: Managed) -> None:
    assert managed.session(Change("one")).status == 75
    managed.host.ok("systemctl", "is-active", "--quiet", "converge-guard.timer")
    guard = ["sh", "/run/converge/guard.sh", "99999999999"]
    managed.host.ok(*guard)
    assert not (managed.host.root / "run/rebooted").exists()
    managed.host.ok("systemctl", "kill", "--signal=KILL", UNIT)
    managed.ended()
    managed.host.ok(*guard)
    assert (managed.host.root / "run/rebooted").exists()
    # The next change, should it come first, goes back before it goes on.
    done = managed.session(Change("two"))
    assert "an earlier change was left half done" in done.text
    assert done.status == 75, done.text
    assert managed.switched[-3:] == ["test one", "test zero", "test two"]


def test_a_supervisor_that_is_stuck_is_noticed_by_the_guard(managed: Managed) -> None:
    assert managed.session(Change("one")).status == 75
    managed.host.ok("sh", "/run/converge/guard.sh", "0")
    assert (managed.host.root / "run/rebooted").exists()


def test_what_is_accepted_disarms_the_guard(managed: Managed) -> None:
    change(managed, Change("one"))
    assert managed.host.run("systemctl", "is-active", "converge-guard.timer").returncode != 0
    assert not (managed.host.root / "var/lib/converge/trial").exists()


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (20, "notice: NixOS {release} gets its last updates on {end}, in "),
        (-20, "warning: NixOS {release} has had no updates since {end}, "),
    ],
)
def test_drift_tells_of_the_end_of_support_which_is_no_difference(
    days: int, words: str, managed: Managed
) -> None:
    end = (datetime.now(UTC) + timedelta(days=days)).date().isoformat()
    change(managed, Change("one", support_ends=end))
    status, lines = drift(managed)
    assert status == 0
    words = words.format(release=managed.downloads.release(1), end=end)
    assert lines[0].startswith(f"support: {words}")
    assert lines[1:] == ["drift: none"]


def test_drift_tells_of_a_certificate_that_nobody_trusts(managed: Managed) -> None:
    change(managed, Change("one"))
    own = [
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=a",
    ]
    managed.host.ok("openssl", "req", *own, "-keyout", "/root/key.pem", "-out", "/root/own.pem")
    server = ["openssl", "s_server", "-www", "-accept", "443", "-key", "/root/key.pem"]
    managed.host.ok("systemd-run", "--unit=https", *server, "-cert", "/root/own.pem")
    managed.host.await_port("127.0.0.1", 443)
    try:
        status, lines = drift(managed)
    finally:
        managed.host.ok("systemctl", "stop", "https")

    assert status == 0
    assert lines[0].startswith(
        "certificate: warning: the certificate of plex.films.sandbox is not one that browsers trust"
    )
    assert lines[1:] == ["drift: none"]


def test_drift_names_what_was_edited_added_and_rolled_back(managed: Managed) -> None:
    change(managed, Change("one"))
    assert drift(managed) == (0, ["drift: none"])
    before = managed.read("/etc/nixos/configuration.nix")
    managed.host.write("/etc/nixos/configuration.nix", f"# by hand\n{before}")
    managed.host.write("/etc/nixos/mine.nix", "{ }\n")
    older = managed.host.ok("readlink", "-f", f"{PROFILE}-1-link").strip()
    managed.host.ok("nix-env", "--profile", PROFILE, "--rollback")
    managed.host.ok(f"{older}/bin/switch-to-configuration", "test")

    status, lines = drift(managed)
    assert status == 1
    assert lines[0] == ("drift: /etc/nixos/configuration.nix is not what `pulumi up` has put there")
    assert lines[1] == "drift: /etc/nixos/mine.nix is not of `pulumi up`'s"
    assert lines[2].startswith(f"drift: {older} runs, in the place of /nix/store/")
    assert lines[3].startswith(f"drift: the profile's generation is {older}, and not /nix/store/")
    assert lines[-1].startswith("drift: `pulumi up --replace '**::prod-converge'` brings")
    assert len(lines) == 5

    change(managed, Change("one"))
    assert drift(managed) == (0, ["drift: none"])


def test_secrets_for_another_bucket_come_and_go_with_the_change(managed: Managed) -> None:
    def sets(**contents: str) -> None:
        managed.host.ok("sh", "-c", "rm -rf /var/lib/secrets*")
        for name, content in contents.items():
            managed.host.write(f"/var/lib/{name}/rclone.conf".replace("_", "."), content)

    def in_place() -> str:
        return managed.read("/var/lib/secrets/rclone.conf")

    sets(secrets="old", secrets_next="new")
    assert managed.session(Change("ill")).status == 1
    assert in_place() == "old"
    # The next attempt takes them again.
    assert managed.session(Change("one")).status == 75
    assert in_place() == "new"
    assert managed.session(Change("one")).status == 0
    assert managed.host.ok("ls", "-A", "/var/lib/secrets").split() == ["rclone.conf"]
    assert not (managed.host.root / "var/lib/secrets.next").exists()

    sets(secrets="old", secrets_next="new")
    assert managed.session(Change("two")).status == 75
    managed.host.ok("systemctl", "stop", "converge-guard.timer")
    managed.host.ok("systemctl", "kill", "--signal=KILL", UNIT)
    managed.ended()
    managed.boot("/boot-default")
    assert in_place() == "old"


def test_what_was_on_its_way_when_the_power_failed_goes_at_the_next_boot(lone: Host) -> None:
    rules = "pkgs.lib.concatLines config.systemd.tmpfiles.rules"
    built = lone.build({"rules": rules})["rules"]
    stale = ("/etc/.payload.Ab12Cd", "/root/.payload.Ef34Gh")
    for folder in stale:
        lone.write(f"{folder}/secrets", "a secret\n")
    # As an activation has it, beside a change that is on its way.
    lone.ok("systemd-tmpfiles", "--create", built)
    assert all((lone.root / folder[1:]).exists() for folder in stale)
    lone.ok("systemd-tmpfiles", "--create", "--remove", "--boot", built)
    assert not any((lone.root / folder[1:]).exists() for folder in stale)
