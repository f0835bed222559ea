"""A new set of secrets on a host: secrets.sh with the mount that uses them, under real systemd."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from components.payload import payload
from tests import stack
from tests.runtime.lone_host import REPO, Host, host, skip_reason
from tests.runtime.media import RCLONE_CONF, Bucket, Mount, configure, hand_over, remote

pytestmark = pytest.mark.skipif(skip_reason() is not None, reason=skip_reason() or "")

# A wrong key would do as well, but rclone asks for seconds before it gives up.
_WRONG = "[b2]\ntype = b2\naccount = 0005a1b2c3d4e5f0000000001\n# K005xxxxxxxxxxxxxxxxxxxxxxxxxxx\n"


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    bucket = Bucket(tmp_path_factory.mktemp("b2"))
    with host(tmp_path_factory.mktemp("secrets")) as running:
        configure(running)
        with running.serving(bucket.door, 8080):
            yield running


@pytest.fixture
def mount(lone: Host) -> Iterator[Mount]:
    """It runs, with the first set."""
    lone.ok("sh", "-c", "rm -rf /var/lib/secrets* && mkdir -m 700 /var/lib/secrets")
    hand_over(lone)
    lone.ok("systemctl", "restart", "media")
    yield Mount(lone)
    lone.ok("systemctl", "stop", "media")


def put(mount: Mount, **files: str) -> subprocess.CompletedProcess[str]:
    """The command that `pulumi up` runs, with files by their names without `.conf`."""
    script = (REPO / "nix/host/secrets.sh").read_text()
    sent = {f"secrets/{name}.conf": text for name, text in files.items()}
    stdin = payload({**sent, "host/secrets.sh": script}, "host/secrets.sh", directory="/root")
    return mount.host.run("bash", "-s", stdin=stdin)


def left(mount: Mount) -> list[str]:
    """Everything of secrets that lies on the host, but the set in place."""
    found = "find /root /var/lib -name '.payload*' -o -path '/var/lib/secrets?*' -prune"
    return mount.host.ok("sh", "-c", f"{found} | grep -v ^/var/lib/secrets/ || :").splitlines()


def test_the_same_set_does_nothing(mount: Mount) -> None:
    before = mount.show("MainPID")
    done = put(mount, rclone=remote())

    assert (done.returncode, done.stdout) == (0, "secrets: unchanged\n")
    assert mount.show("MainPID") == before
    assert left(mount) == []


def test_a_new_set_is_taken_by_the_mount(mount: Mount) -> None:
    before = mount.show("MainPID")
    done = put(mount, rclone=f"# rotated\n{remote()}", other="another\n")

    assert (done.returncode, done.stdout) == (0, "secrets: in place\n")
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


def test_a_set_that_does_not_work_is_put_back(mount: Mount) -> None:
    done = put(mount, rclone=_WRONG)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "secrets: the mount does not start with the new set; the old one is back. Check b2KeyId,"
    )
    assert mount.show("ActiveState") == "active"
    assert mount.mounted() == ["fuse.rclone"]
    assert (mount.host.root / RCLONE_CONF[1:]).read_text() == remote()
    assert left(mount) == []
    key = stack.settings_of().b2_application_key.get_secret_value()
    for secret in (key, "K005xxxx"):
        assert secret not in done.stdout + done.stderr

    # It is tried anew, and not taken for what is in place.
    assert put(mount, rclone=remote()).stdout == "secrets: unchanged\n"
