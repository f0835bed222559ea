"""A server that vanishes, and another that takes its place at the same addresses."""

from __future__ import annotations

from collections.abc import Callable

from sandbox import visit
from tests.e2e.stack import Stack
from tests.e2e.world import World

Another = Callable[[str], Stack]

SECRETS = "sudo sh -c 'sha256sum /var/lib/secrets/*'"
# host.nix is about the machine: the name of its disk.
CONFIGURATION = "sudo find /etc/nixos -type f ! -name host.nix -exec sha256sum {} + | sort"
LIBRARY = "'/var/lib/plex/Plex Media Server'"
DATABASE = f"{LIBRARY}/'Plug-in Support/Databases/com.plexapp.plugins.library.db'"
OWNER = f"sudo sha256sum {LIBRARY}/Preferences.xml"
CERTIFICATE = "sudo sh -c 'sha256sum /var/lib/acme/*/fullchain.pem'"


def sqlite(statement: str) -> str:
    """The command that asks Plex's database, by the machine's own SQLite: the host has none on its path."""
    return f'sudo -u plex /usr/bin/sqlite3 {DATABASE} "{statement}"'


def test_the_next_server_gets_its_install_secrets_configuration_and_library(
    world: World, another: Another
) -> None:
    stack = another("first")
    stack.up()
    server, outputs = stack.server(), stack.outputs()
    secrets, configuration = stack.ssh(SECRETS), stack.ssh(CONFIGURATION)
    stack.ssh("sudo touch /var/lib/of-the-first")
    visit.wait_for_certificate(stack.url, state=world.state)
    stack.ssh(f"sudo -u plex mkdir -p {LIBRARY}/'Plug-in Support/Databases'")
    stack.ssh(sqlite("PRAGMA journal_mode = wal; CREATE TABLE views (film TEXT)"))
    stack.ssh(sqlite("INSERT INTO views VALUES ('Nosferatu'), ('Metropolis')"))
    owner, certificate = stack.ssh(OWNER), stack.ssh(CERTIFICATE)
    stack.ssh("sudo plex-library backup")
    assert stack.ssh("sudo plex-library warnings") == ""
    stack.lose_the_server()

    stack.up("--refresh")

    assert stack.server()["id"] != server["id"]
    # The addresses, and the host's key, by which every connection here has known it.
    assert stack.outputs() == outputs
    assert stack.ssh(SECRETS) == secrets
    assert stack.ssh(CONFIGURATION) == configuration
    assert stack.ssh("systemctl is-active nginx plex media").split() == ["active"] * 3
    assert stack.ssh("sudo cat /var/lib/host/stack").strip() == "first"
    assert "One Note" in stack.ssh("ls -R /mnt/media")
    assert stack.ssh("ls /var/lib/of-the-first 2>/dev/null || echo gone").strip() == "gone"
    # Plex's library, with every row and its owner, and the certificate, which was not ordered again.
    assert stack.ssh(sqlite("SELECT film FROM views")).split() == ["Nosferatu", "Metropolis"]
    assert stack.ssh(OWNER) == owner
    assert stack.ssh(CERTIFICATE) == certificate
