"""A server that vanishes, and another that takes its place at the same addresses."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.stack import Stack
from tests.e2e.world import World

Another = Callable[[str], Stack]

SECRETS = "sudo sha256sum /var/lib/secrets/rclone.conf"
# host.nix is about the machine: the name of its disk.
CONFIGURATION = "sudo find /etc/nixos -type f ! -name host.nix -exec sha256sum {} + | sort"


def test_the_next_server_gets_its_install_secrets_and_configuration(
    world: World, another: Another
) -> None:
    stack = another("first")
    stack.up()
    server, outputs = stack.server(), stack.outputs()
    secrets, configuration = stack.ssh(SECRETS), stack.ssh(CONFIGURATION)
    stack.ssh("sudo touch /var/lib/of-the-first")
    world.api("DELETE", f"/servers/{server['id']}")

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
