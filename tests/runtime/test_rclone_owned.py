"""Somebody owns rclone: a program of theirs runs as rclone's user, beside the mount. Do they become root?

They write wherever that user may. After that root does what it does on every host: it stops and starts the
mount, and looks what is new in the bucket.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runtime.lone_host import Host
from tests.runtime.media import PORT, Bucket, Mount, await_true, media_host

_NAMES = (
    "find",
    "cut",
    "sort",
    "uniq",
    "grep",
    "paste",
    "du",
    "df",
    "install",
    "rclone",
    "bash",
    "sh",
)
# Programs of theirs, which write down that root has started one of them.
_PROGRAM = '#!/bin/bash\n[ "$EUID" != 0 ] || : >/owned\n'


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with media_host(tmp_path_factory.mktemp("owned")) as running:
        made = Bucket(tmp_path_factory.mktemp("b2"))
        with running.serving(made.door, PORT):
            yield running


@pytest.fixture
def mount(lone: Host) -> Iterator[Mount]:
    made = Mount(lone)
    assert made.start().returncode == 0, lone.journal("media")
    yield made
    lone.ok("systemctl", "stop", "media")
    lone.ok("rm", "-rf", "/owned", "/etc/nologin", "/var/lib/media")


def as_rclone(on: Host, script: str, *words: str) -> None:
    on.ok("runuser", "-u", "rclone", "--", "bash", "-euc", script, "bash", *words)


def test_no_folder_of_rclones_has_roots_environment(mount: Mount) -> None:
    """systemd reads a unit's files of variables before each of its commands, root's too."""
    theirs = mount.host.ok("find", "/run", "/var", "-xdev", "-user", "rclone", "-type", "d").split()
    assert {"/run/media", "/var/lib/media", "/var/cache/rclone"} <= set(theirs)
    named = mount.show("EnvironmentFiles").split(" (")[0]
    for name in _NAMES:
        mount.host.write(f"/srv/theirs/{name}", _PROGRAM, 0o755)
    planted = """
    for file; do
      rm -rf "$file" && echo PATH=/srv/theirs >"$file" || echo "kept from $file"
    done
    """
    as_rclone(mount.host, planted, named, "/run/media/cache")

    mount.host.ok("systemctl", "restart", "media")

    assert not (mount.host.root / "owned").exists()
    assert mount.mounted() == ["fuse.rclone"]


def test_a_link_of_rclones_leads_root_nowhere(mount: Mount) -> None:
    """That the bucket holds something is written down by root, too. Nobody could log in with that file."""
    held = f"/var/lib/media/held-{Bucket.name}"
    await_true((mount.host.root / held[1:]).exists)
    as_rclone(mount.host, 'rm "$1"; ln -s /etc/nologin "$1"', held)

    mount.host.ok("media-refresh")

    assert not (mount.host.root / "etc/nologin").exists()
