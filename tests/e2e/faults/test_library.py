"""What happens to the server with its library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox import prepare
from sandbox.nixpkgs import tarball as nixpkgs
from tests.e2e import machine
from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import Host
from tests.e2e.world import World

BACKBLAZE = "192.0.2.20"


def lose(host: Host) -> None:
    """Delete the server behind the stack's back, as somebody does in Hetzner's console."""
    host.world.api("DELETE", f"/servers/{host.stack.server()['id']}")


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
    lose(host)
    with host.stack.running("up", "--yes", "--skip-preview", "--refresh") as process:
        with without_backblaze(host.world):
            machine.until_said(process, "converge: library")
            host.until("journalctl -u plex-library | grep -q 'Backblaze does not answer'", 120)
            assert host.shell("ls /var/lib/plex 2>/dev/null || :") == ""
        said, _ = process.communicate()
    assert process.returncode == 0, said


@fault(
    "the server is deleted",
    "after an automatic upgrade has taken it beyond its pin",
    "`up --refresh` makes another, brings it to that nixpkgs, and the library comes back with every row",
)
def test_the_server_is_lost_after_an_upgrade(host: Host) -> None:
    newer = nixpkgs.make(prepare.RELEASE, number=2)
    prepare.publish(host.world.state, newer.url, newer.content)
    host.stack.ssh("sudo systemctl start upgrade")
    assert host.shell("readlink /var/lib/nixpkgs/current").strip() == newer.name
    host.stack.ssh("sudo plex-library backup")
    lose(host)

    said = host.stack.up("--refresh")

    assert f"the library's backup was made with {newer.name}, so this host gets that" in said
    assert host.shell("readlink /var/lib/nixpkgs/current").strip() == newer.name
