"""What happens to the server with its library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox import credentials
from tests.e2e import machine
from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import Host
from tests.e2e.world import World

BACKBLAZE = "192.0.2.20"
# A backup of what never ends, as from another computer.
_LOCK = """
RCLONE_CONFIG=/var/lib/secrets/backup.conf
RESTIC_REPOSITORY=rclone:backup:films-and-music-library/$1
RESTIC_PASSWORD_FILE=/var/lib/secrets/backup.password
export RCLONE_CONFIG RESTIC_REPOSITORY RESTIC_PASSWORD_FILE
systemd-run --quiet --setenv=RCLONE_CONFIG --setenv=RESTIC_REPOSITORY --setenv=RESTIC_PASSWORD_FILE \
  --setenv=PATH="$PATH" --setenv=HOME=/root sh -c 'sleep infinity | restic backup --stdin --host other'
"""


@contextmanager
def without_backblaze(world: World) -> Iterator[None]:
    """Nothing arrives at Backblaze for a while."""
    chain = f"chain in {{\ntype filter hook input priority 0\nip daddr {BACKBLAZE} drop\n}}"
    world.nft(f"table inet without_backblaze {{\n{chain}\n}}\n")
    try:
        yield
    finally:
        world.nft("delete table inet without_backblaze\n")


@fault(
    "Backblaze is away",
    "while a new server wants its library",
    "Plex waits, and begins nothing new; once Backblaze is back, so is the library, and `up` ends well",
)
def test_the_library_cannot_be_had_for_a_while(host: Host) -> None:
    host.stack.ssh("sudo plex-library backup")
    host.stack.lose_the_server()
    with host.stack.running("up", "--yes", "--skip-preview", "--refresh") as process:
        with without_backblaze(host.world):
            machine.until_said(process, "converge: library")
            host.until("journalctl -u plex-library | grep -q 'Backblaze does not answer'", 120)
            assert host.shell("ls /var/lib/plex 2>/dev/null || :") == ""
        said, _ = process.communicate()
    assert process.returncode == 0, said


@fault(
    "the power is cut",
    "while a backup uploads",
    "neither a lock nor half a backup is in the way: the next one is made, and the repository is sound",
)
def test_power_in_a_backup(host: Host) -> None:
    host.stack.ssh("sudo plex-library backup")
    boots, made = machine.boots(host.stack), host.stack.ssh("sudo plex-library list")
    host.shell("systemctl start --no-block plex-library-backup")
    host.until("pgrep -f '[r]estic .* backup --host'")
    machine.cut_power(host.stack)
    host.until_rebooted(boots)
    assert host.stack.ssh("sudo plex-library list") == made
    host.stack.ssh("sudo plex-library backup")
    host.stack.ssh("sudo plex-library check")
    newest = [
        listed.splitlines()[-1] for listed in (made, host.stack.ssh("sudo plex-library list"))
    ]
    assert newest[0] != newest[1]


@fault(
    "somebody works with the repository, and locks it",
    "when the server is deleted, and with it whoever would take the lock away",
    "a new server gets its library all the same, and backups are made",
)
def test_a_repository_that_is_locked(host: Host) -> None:
    host.stack.ssh("sudo plex-library backup")
    host.shell(_LOCK, host.stack.name)
    host.until("RCLONE_CONFIG=/var/lib/secrets/backup.conf rclone lsf backup: -R | grep -q locks/.")
    host.stack.lose_the_server()
    host.stack.up("--refresh")
    assert host.rows() == host.films
    host.stack.ssh("sudo plex-library backup")


@fault(
    "the power is cut",
    "while a new server restores its library",
    "it begins again at the next boot, and Plex starts with every row",
)
def test_power_in_a_restore(host: Host) -> None:
    host.stack.ssh("sudo plex-library backup")
    host.stack.lose_the_server()
    with host.stack.running("up", "--yes", "--skip-preview", "--refresh") as process:
        with without_backblaze(host.world):
            machine.until_said(process, "converge: library")
            host.until("journalctl -u plex-library | grep -q 'Backblaze does not answer'", 120)
            boots = machine.boots(host.stack)
        host.until("pgrep -f '[r]estic .*--target'")
        machine.cut_power(host.stack)
        host.until_rebooted(boots)
        machine.cut_sessions(host.stack)
        said, _ = process.communicate()
    assert process.returncode == 0, said
    assert host.rows() == host.films


@fault(
    "the bucket of the backups is another, or gone",
    "when a new server wants its library",
    "`up` says so, and Plex begins nothing; once the right one is named, the library comes back",
)
def test_a_bucket_of_backups_that_is_gone(host: Host) -> None:
    host.stack.ssh("sudo plex-library backup")
    host.stack.lose_the_server()
    host.stack.set("backupBucket", "films-that-are-gone")
    said = host.stack.up("--refresh")
    assert "the key of the backups is not for the bucket films-that-are-gone" in said
    assert "Plex waits for its library" in said
    assert host.shell("ls /var/lib/plex 2>/dev/null || :") == ""
    host.stack.set("backupBucket", credentials.BACKUP_BUCKET)
    host.up()


@fault(
    "the server is deleted",
    "after an automatic upgrade has taken it beyond its pin",
    "`up --refresh` makes another, brings it to that nixpkgs, and the library comes back with every row",
)
def test_the_server_is_lost_after_an_upgrade(host: Host) -> None:
    newer = host.publish_newer_nixpkgs()
    host.stack.ssh("sudo systemctl start upgrade")
    assert host.shell("readlink /var/lib/nixpkgs/current").strip() == newer.name
    host.stack.ssh("sudo plex-library backup")
    host.stack.lose_the_server()

    said = host.stack.up("--refresh")

    assert f"the library's backup was made with {newer.name}, so this host gets that" in said
    assert host.shell("readlink /var/lib/nixpkgs/current").strip() == newer.name
    # Its kernel is not the one that the server was installed with.
    host.boot_what_waits()
