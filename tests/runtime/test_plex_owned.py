"""Somebody owns Plex: a program of theirs runs as Plex's user, within Plex's own unit. What do they reach?

The unit is the configuration's own; only what it starts is another program. Around it is what a host has: the
mount by the real rclone, secrets, host keys, other users, the Nix daemon, the lock of a change.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runtime.lone_host import Host, host
from tests.runtime.media import PORT, Bucket, configure, hand_over

_DATA = "/var/lib/plex/Plex Media Server"
# What is tried, by a name: a line of shell that succeeds if it could be done. (/run/lock, where all may write
# on Debian, is left out: on NixOS it is root's.)
_FORBIDDEN = {
    "B2's key": "cat /var/lib/secrets/rclone.conf",
    "the backups' key": "cat /var/lib/secrets/backup.conf",
    "the backups' password": "cat /var/lib/secrets/backup.password",
    "what there is of secrets": "ls /var/lib/secrets",
    "what the mount was handed": "cat /run/credentials/media.service/rclone.conf",
    "the deploy keys": "cat /var/lib/deploy/root",
    "what rclone holds": "ls /run/media",
    "rclone's socket": "connect /run/media/rclone.sock",
    "rclone's cache": "ls /var/cache/rclone",
    "root's home": "ls /root",
    "root's file": "cat /root/file",
    "another's home": "ls /home/alice",
    "another's file": "cat /home/alice/file",
    "SSH's host key": "cat /etc/ssh/ssh_host_ed25519_key",
    "passwords": "cat /etc/shadow",
    "the journal": "ls /var/log/journal/*/*.journal && cat /var/log/journal/*/*.journal",
    "a certificate's key": "cat /var/lib/acme/plex.films.sandbox/key.pem",
    "the library's notes": "ls /var/lib/library",
    "the Nix daemon": "connect /nix/var/nix/daemon-socket/socket",
    "systemd's own socket": "connect /run/systemd/private",
    "the bus": "connect /run/dbus/system_bus_socket",
    "a unit": "systemctl start nginx.service",
    "the lock of a change": "flock --nonblock /run/host-locks/change true",
    "another's process": "cat /proc/1/environ",
    "that there are others": "test -e /proc/1",
    "rclone's process": 'kill -0 "$(cat /run/others)"',
    "the gate": "touch /run/plex-gate/open",
    "becoming root": "/usr/bin/su-of-root -c true",
    "a program that starts as root": 'cp /bin/sh "$HOME/sh" && chmod u+s "$HOME/sh"',
    "a network of its own": "unshare --user --net true",
    "the kernel's log": "dmesg",
    "the clock": "date --set=@$(date +%s.%N)",
    "the host's name": "hostname owned",
    "a device": "ls /dev/fuse",
    "the kernel's settings": "sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'",
    **{
        f"a file in {folder}": f"touch {folder}/owned"
        for folder in (
            *(
                "/etc",
                "/etc/nixos",
                "/home",
                "/mnt",
                "/mnt/media",
                "/nix/store",
                "/nix/var",
                "/opt",
                "/root",
            ),
            *("/run", "/srv", "/usr/local", "/var", "/var/cache", "/var/lib", "/var/log"),
            *("/var/lib/media", "/var/spool"),
        )
    },
}
_ALLOWED = {
    "its own folder": 'touch "$DATA/owned" && rm "$DATA/owned"',
    "its settings": 'cat "$DATA/Preferences.xml"',
    "the films": "ls /mnt/media/Films/*",
    "a file of its own in /tmp": "touch /tmp/owned",
    "a file of its own in /dev/shm": "touch /dev/shm/owned",
    "namespaces of users and mounts": "unshare --user --mount true",
    "a server elsewhere": f"curl -s --max-time 20 -o /dev/null http://127.0.0.1:{PORT}/",
    "the log": "logger owned",
}
_OWNED = """#!/bin/sh
connect() {
  python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$1"
}
try() {
  if (eval "$2") >/dev/null 2>&1 </dev/null; then echo "reached $1"; else echo "kept from $1"; fi
}
export DATA='%s' HOME=/var/lib/plex PATH=/usr/sbin:/usr/bin:/sbin:/bin
%s
echo done
"""


def tries(what: dict[str, str]) -> str:
    quoted = {name: line.replace("'", "'\\''") for name, line in what.items()}
    return "".join(f"try \"{name}\" '{line}'\n" for name, line in quoted.items())


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("owned")) as running:
        furnish(running)
        configure(running)
        bucket = Bucket(tmp_path_factory.mktemp("b2"))
        with running.serving(bucket.door, PORT):
            hand_over(running)
            running.ok("systemctl", "start", "plex.service")
            running.await_port("127.0.0.1", 32400)
            running.write("/run/others", running.ok("systemctl", "show", "-P", "MainPID", "media"))
            running.ok("systemctl", "stop", "plex.service")
            yield running


def furnish(on: Host) -> None:
    """What a host has, with the owners and modes that it has there."""
    on.ok("useradd", "--create-home", "alice")
    on.ok("mkdir", "-m", "700", "-p", "/var/lib/secrets", "/home/alice", "/var/lib/library")
    on.ok("chmod", "700", "/root", "/home/alice")
    for name in ("backup.conf", "backup.password"):
        on.write(f"/var/lib/secrets/{name}", "a secret\n", 0o600)
    for path in ("/root/file", "/home/alice/file"):
        on.write(path, "theirs\n")
    on.write("/etc/ssh/ssh_host_ed25519_key", "a key\n", 0o600)
    on.write("/var/lib/deploy/root", "a key\n", 0o600)
    on.write("/var/lib/acme/plex.films.sandbox/key.pem", "a key\n", 0o640)
    on.ok("chgrp", "-R", "nginx", "/var/lib/acme")
    on.ok("mkdir", "-p", "/etc/nixos", "/run/plex-gate", "/run/dbus", "/nix/var/nix/daemon-socket")
    on.ok("chown", "plex", "/run/plex-gate")  # as the gate's unit, which is the same user's
    on.ok(
        "sh", "-c", "mkdir -p -m 700 /run/host-locks; : >/run/host-locks/change"
    )  # as a change leaves it
    on.ok("install", "-m", "4755", "/usr/bin/su", "/usr/bin/su-of-root")
    # Whoever may connect to these, may knock.
    for name, path in (
        ("nix", "/nix/var/nix/daemon-socket/socket"),
        ("bus", "/run/dbus/system_bus_socket"),
    ):
        if not (on.root / path.lstrip("/")).exists():
            listen = f"--socket-property=ListenStream={path}"
            on.ok(
                "systemd-run",
                f"--unit=stands-in-{name}",
                listen,
                "--socket-property=SocketMode=0666",
                "cat",
            )


def by_whom(on: Host, script: str, *drop_in: str) -> dict[str, bool]:
    """What could be done: by the unit of Plex, with these lines added to it."""
    on.write("/run/owned", _OWNED % (_DATA, script), 0o755)
    lines = [
        "[Service]",
        "ExecStart=",
        "ExecStart=/run/owned",
        "Type=oneshot",
        "Restart=no",
        *drop_in,
    ]
    on.write("/run/systemd/system/plex.service.d/owned.conf", "\n".join(lines) + "\n")
    on.ok("systemctl", "daemon-reload")
    on.ok("journalctl", "--rotate", "--vacuum-time=1s")
    on.run("systemctl", "start", "plex.service")
    on.ok("journalctl", "--sync")
    said = on.journal("plex").splitlines()
    assert said.count("done") == 1, said
    reached = {line.removeprefix("reached ") for line in said if line.startswith("reached ")}
    kept = {line.removeprefix("kept from ") for line in said if line.startswith("kept from ")}
    return dict.fromkeys(reached, True) | dict.fromkeys(kept, False)


def test_who_owns_plex_reaches_nothing_else(lone: Host) -> None:
    found = by_whom(lone, tries(_FORBIDDEN))

    assert set(found) == set(_FORBIDDEN)
    assert {name for name, reached in found.items() if reached} == set()


def test_all_of_it_is_there(lone: Host) -> None:
    """What root could not reach either would be kept from whoever owns Plex by mere absence."""
    lone.write("/run/root", _OWNED % (_DATA, tries(_FORBIDDEN)), 0o755)

    # As a unit, which has no more rights than the machine: clock and kernel are the computer's.
    said = lone.ok("systemd-run", "--quiet", "--wait", "--pipe", "/run/root").splitlines()

    kept = {line.removeprefix("kept from ") for line in said if line.startswith("kept from ")}
    assert kept == {"the clock", "the kernel's log", "a file in /mnt/media"}


def test_who_owns_plex_has_what_plex_needs(lone: Host) -> None:
    found = by_whom(lone, tries(_ALLOWED))

    assert found == dict.fromkeys(_ALLOWED, True)
