"""A new set of secrets on a host: tried by the supervisor's unit, with the real mount that uses it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from components import nixos
from tests import stack
from tests.runtime.lone_host import Host, host
from tests.runtime.media import RCLONE_CONF, Bucket, Mount, configure, hand_over, remote

_WRONG = remote().replace("key = K", "key = k")
_OTHER = "another-bucket"
_IN_USE = "; the old set is in use. Check b2KeyId, b2ApplicationKey and b2Bucket"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Bucket:
    return Bucket(tmp_path_factory.mktemp("b2"))


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("secrets")) as running:
        configure(running)
        # What the configuration on a host says, and health that looks at the mount alone.
        running.ok("sh", "-c", "mkdir -p /var/lib/host && echo prod >/var/lib/host/stack")
        running.ok("mkdir", "-p", "/nix/var/nix/profiles", "/var/lib/nixpkgs")
        running.write("/etc/nixos/parameters", f"BUCKET={stack.settings_of().b2_bucket}\n")
        running.write(
            "/etc/nixos/host/health.sh",
            "[ $1 = library ] || { ls /mnt/media >/dev/null; [ ! -e /run/ill ]; }\n",
        )
        with running.serving(bucket.door, 8080):
            yield running


@pytest.fixture
def mount(lone: Host) -> Iterator[Mount]:
    """It runs, with the first set."""
    lone.ok("sh", "-c", "rm -rf /var/lib/secrets* /run/ill && mkdir -m 700 /var/lib/secrets")
    hand_over(lone)
    lone.ok("systemctl", "restart", "media")
    yield Mount(lone)
    lone.ok("systemctl", "stop", "media")


def put(mount: Mount, bucket: str = "films-and-music", **files: str) -> tuple[int, list[str]]:
    """The command that `pulumi up` runs, with files by their names without `.conf`; what it says."""
    settings = stack.settings_of(b2Bucket=bucket, libraryBackup="backup" in files)
    sent = {f"{name}.conf": text for name, text in files.items()}
    done = mount.host.run("bash", "-s", stdin=nixos.secrets_payload(sent, settings, "prod"))
    said = done.stdout + done.stderr
    for secret in (settings.b2_application_key.get_secret_value(), _WRONG.split("key = ")[1][:20]):
        assert secret not in said
        assert secret not in mount.host.journal("nixos-rebuild-switch-to-configuration")
    return done.returncode, said.splitlines()


def left(mount: Mount) -> list[str]:
    """Everything of secrets that lies on the host, but the set in place."""
    found = "find /root /run /var/lib -name '.payload*' -o -name payload -o -path '/var/lib/secrets?*' -prune"
    return mount.host.ok("sh", "-c", f"{found} | grep -v ^/var/lib/secrets/ || :").splitlines()


def in_place(mount: Mount) -> str:
    return (mount.host.root / RCLONE_CONF[1:]).read_text()


def test_the_same_set_does_nothing(mount: Mount) -> None:
    before = mount.show("MainPID")
    assert put(mount, rclone=remote()) == (0, ["secrets: done: unchanged"])
    assert mount.show("MainPID") == before
    assert left(mount) == []


def test_a_new_set_is_taken_by_the_mount(mount: Mount) -> None:
    before = mount.show("MainPID")
    status, said = put(mount, rclone=f"# rotated\n{remote()}", other="another\n")

    assert (status, said[-1]) == (0, "secrets: done: in place")
    assert mount.show("MainPID") != before
    assert mount.mounted() == ["fuse.rclone"]
    given = (mount.host.root / "run/credentials/media.service/rclone.conf").read_text()
    assert given.startswith("# rotated\n")
    modes = mount.host.ok("sh", "-c", "stat -c '%a %U %n' /var/lib/secrets /var/lib/secrets/*")
    assert modes.splitlines() == [
        "700 root /var/lib/secrets",
        "600 root /var/lib/secrets/other.conf",
        f"600 root {RCLONE_CONF}",
    ]
    assert left(mount) == []


def test_what_the_mount_does_not_use_does_not_restart_it(mount: Mount) -> None:
    before = mount.show("MainPID")
    assert put(mount, rclone=remote(), other="another\n")[0] == 0
    assert mount.show("MainPID") == before


def test_a_key_that_opens_nothing_is_refused_before_anything_is_touched(mount: Mount) -> None:
    before = mount.show("MainPID")
    status, said = put(mount, rclone=_WRONG)

    assert status == 1
    assert said[-1].startswith(
        "secrets: failed: key: b2:films-and-music cannot be opened with its key: "
    )
    assert said[-1].endswith(_IN_USE)
    assert mount.show("MainPID") == before
    assert mount.mounted() == ["fuse.rclone"]
    assert in_place(mount) == remote()
    assert left(mount) == []


def test_a_set_with_which_the_host_is_not_healthy_is_put_back(mount: Mount) -> None:
    mount.host.write("/run/ill", "")
    status, said = put(mount, rclone=f"# rotated\n{remote()}")

    assert status == 1
    assert said[-1].startswith("secrets: failed: health: ")
    assert said[-1].endswith(_IN_USE)
    assert mount.show("ActiveState") == "active"
    assert in_place(mount) == remote()
    assert left(mount) == []
    # It is tried anew, and not taken for what is in place.
    assert put(mount, rclone=remote()) == (0, ["secrets: done: unchanged"])


def test_a_key_for_another_bucket_waits_for_the_change_to_it(mount: Mount, bucket: Bucket) -> None:
    before = mount.show("MainPID")
    status, said = put(mount, _OTHER, rclone=remote())
    assert status == 1
    assert f"b2:{_OTHER} cannot be opened with its key" in said[-1]

    other = bucket.another(_OTHER)
    status, said = put(mount, _OTHER, rclone=other)
    assert (status, said[-1]) == (
        0,
        f"secrets: done: the key opens {_OTHER}; it is taken when the configuration changes to that bucket",
    )
    assert mount.show("MainPID") == before
    assert in_place(mount) == remote()
    assert (mount.host.root / "var/lib/secrets.next/rclone.conf").read_text() == other


def test_a_key_of_the_backups_is_tried_too(mount: Mount, bucket: Bucket) -> None:
    before = mount.show("MainPID")
    backups = stack.settings_of().library_bucket
    status, said = put(mount, rclone=remote(), backup=remote().replace("[b2]", "[backup]"))
    assert status == 1
    assert f"failed: the backups' key: backup:{backups} cannot be opened with its key: " in said[-1]
    assert said[-1].endswith("Check backupKeyId, backupApplicationKey and backupBucket")
    assert left(mount) == []

    right = bucket.another(backups).replace("[b2]", "[backup]")
    status, said = put(mount, rclone=remote(), backup=right)
    assert (status, said[-1]) == (0, "secrets: done: in place")
    assert mount.show("MainPID") == before


def test_another_stacks_host_gets_none(mount: Mount) -> None:
    mount.host.write("/var/lib/host/stack", "dev\n")
    try:
        status, said = put(mount, rclone=f"# rotated\n{remote()}")
    finally:
        mount.host.write("/var/lib/host/stack", "prod\n")
    assert status == 1
    assert "failed: host: this host belongs to the stack dev, not to prod" in said[-1]
    assert in_place(mount) == remote()


def test_none_is_put_while_the_host_changes(mount: Mount) -> None:
    unit = "nixos-rebuild-switch-to-configuration"
    with subprocess.Popen(
        mount.host.command("systemd-run", "--quiet", "--wait", f"--unit={unit}", "sleep", "60")
    ) as other:
        mount.host.ok("sh", "-c", f"until systemctl is-active --quiet {unit}; do sleep 0.05; done")
        status, said = put(mount, rclone=f"# rotated\n{remote()}")
        mount.host.ok("systemctl", "stop", unit)
        other.wait()
    assert status == 1
    assert said[-1].endswith("try again when it has ended")
    assert in_place(mount) == remote()
