"""Certificates come back with the library, or before it."""

from __future__ import annotations

import pytest

from tests.runtime.library.server import NOWHERE, Library, hand_over


@pytest.fixture
def certified(library: Library) -> Library:
    """A new server, after one that had a certificate."""
    script = """
    mkdir -p /var/lib/acme/plex.films.sandbox /var/lib/acme/.lego
    echo certificate >/var/lib/acme/plex.films.sandbox/fullchain.pem
    echo account >/var/lib/acme/.lego/account
    chown -R acme:acme /var/lib/acme
    """
    library.host.ok("sh", "-c", script)
    library.backup()
    library.new_server()
    return library


def test_certificates_come_back_before_any_is_ordered(certified: Library) -> None:
    certified.host.ok("systemctl", "start", "acme-setup")

    kept = "/var/lib/acme/plex.films.sandbox/fullchain.pem"
    assert certified.read(kept) == "certificate\n"
    assert certified.read("/var/lib/acme/.lego/account") == "account\n"
    owner = certified.host.ok("stat", "-c", "%U", kept, "/var/lib/acme").split()
    assert owner == ["acme", "acme"]


@pytest.mark.heavy
def test_certificates_that_are_here_stay(certified: Library) -> None:
    certified.host.write("/var/lib/acme/plex.films.sandbox/fullchain.pem", "a newer one\n")
    before = certified.bucket.door.requests
    certified.host.ok("systemctl", "start", "acme-setup")

    assert certified.read("/var/lib/acme/plex.films.sandbox/fullchain.pem") == "a newer one\n"
    assert certified.bucket.door.requests == before


@pytest.mark.heavy
def test_without_the_repository_certificates_are_ordered(certified: Library) -> None:
    hand_over(certified.host, port=NOWHERE)
    certified.host.ok("systemctl", "start", "acme-setup")

    assert "Backblaze does not answer: " in certified.said("plex-library-certificates")
    assert certified.state("plex-library-certificates") == ("inactive", "dead")
    assert not certified.exists("/var/lib/acme/plex.films.sandbox/fullchain.pem")
    assert certified.state("acme-setup") == ("active", "exited")
