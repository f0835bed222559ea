"""The way to a host, out of its stack's state."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from fleet.known import find
from fleet.ssh import _why

SECRET = "4dabf18193072939515e22adb298388d"
SEED = b64encode(bytes(range(32))).decode()


def state(**outputs: object) -> list[dict[str, Any]]:
    """The resources of a state with these outputs, as `pulumi stack export --show-secrets` has them."""

    def seed(name: str, text: str) -> dict[str, Any]:
        return {
            "type": "random:index/randomBytes:RandomBytes",
            "urn": f"urn:pulumi:one::plex-on-nixos::random:index/randomBytes:RandomBytes::{name}",
            "outputs": {
                "base64": {
                    SECRET: "1b47061264138c4ac30d75fd1eb44270",
                    "plaintext": json.dumps(text),
                }
            },
        }

    return [
        {"type": "pulumi:pulumi:Stack", "urn": "urn:pulumi:one::x", "outputs": outputs},
        seed("one-host", "of something else"),
        seed("one-deploy", SEED),
    ]


def test_address_host_key_and_the_stacks_own_key() -> None:
    address = find("one", state(ipv4="203.0.113.7", knownHosts="plex.films.org ssh-ed25519 AAAA"))

    assert address is not None
    assert (address.ipv4, address.domain) == ("203.0.113.7", "plex.films.org")
    assert address.known_hosts == "plex.films.org ssh-ed25519 AAAA"
    # As every OpenSSH reads it, and not PKCS #8.
    assert address.private_key.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    key: Any = load_ssh_private_key(address.private_key.encode(), None)
    assert key.private_bytes_raw() == bytes(range(32))


def test_a_stack_without_all_of_it_has_no_host_yet() -> None:
    assert find("one", []) is None
    assert find("one", state()) is None
    assert find("two", state(ipv4="203.0.113.7", knownHosts="x ssh-ed25519 AAAA")) is None


def test_why_ssh_has_no_connection_is_one_line() -> None:
    address = find("one", state(ipv4="203.0.113.7", knownHosts="plex.films.org ssh-ed25519 AAAA"))
    assert address is not None

    timeout = "ssh: connect to host 203.0.113.7 port 22: Connection timed out\n"
    assert _why(timeout, address) == "connect to host 203.0.113.7 port 22: Connection timed out"
    changed = "@@@\nIt is also possible …\nHost key verification failed.\n"
    assert _why(changed, address).startswith("another machine answers at 203.0.113.7")
    assert _why("", address) == "the connection was closed"
