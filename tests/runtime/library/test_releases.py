"""A backup of another nixpkgs than the host's."""

from __future__ import annotations

import pytest

from sandbox.nixpkgs.tarball import NEXT_RELEASE, RELEASE
from tests.runtime.library.server import HOME, NIXPKGS, STATE, Library, configure

pytestmark = pytest.mark.heavy


def test_a_backup_of_a_newer_nixpkgs_waits_for_it(library: Library) -> None:
    made = library.backup()
    newer = f"nixos-{RELEASE}.12.abcdef012345"
    library.restic("tag", "--set", f"nixpkgs={newer},plex=1.42.2.10156", made)
    refused = library.run("restore")
    assert refused.returncode == 1
    assert f"was made under {newer}, and this host has {NIXPKGS}" in refused.stdout
    assert "sudo systemctl start upgrade" in refused.stdout
    assert library.plex_runs()
    assert not library.exists(f"{STATE}/needs-nixpkgs")

    library.new_server()
    assert not library.start_plex()
    assert library.state() == ("failed", "failed")
    assert "`pulumi up` brings the host there first" in library.said()
    assert library.read(f"{STATE}/needs-nixpkgs") == f"{newer}\n"
    assert not library.exists(HOME)

    configure(library.host, ".12.abcdef012345")
    try:
        assert library.start_plex(), library.host.journal("plex-library")
        assert library.watched() == "1"
        assert not library.exists(f"{STATE}/needs-nixpkgs")

        # The host goes back, for example since the newer nixpkgs was not healthy.
        library.end()
        configure(library.host)
        assert not library.start_plex()
        assert library.state() == ("active", "exited")
        assert f"was made under {newer}, and this host has" in library.said("plex")
        assert library.read(f"{STATE}/needs-nixpkgs") == f"{newer}\n"

        library.end()
        configure(library.host, ".12.abcdef012345")
        assert library.start_plex()
        assert not library.exists(f"{STATE}/needs-nixpkgs")
    finally:
        configure(library.host)


def test_only_a_host_that_is_new_enough_gets_a_library(library: Library) -> None:
    made = library.backup()
    for nixpkgs, plex, restored in (
        (f"nixos-{NEXT_RELEASE}.1.fedcba987654", "1.42.2.10156", False),
        (f"nixos-{NEXT_RELEASE}pre12.fedcba987654", "1.42.2.10156", False),
        (NIXPKGS, "1.43.0.1", False),
        ("somebody's own", "1.42.2.10156", False),
        (f"nixos-{RELEASE}.4.fedcba987654", "1.42.2.10156", True),
        ("nixos-98.11.9000.fedcba987654", "1.9.9", True),
    ):
        library.restic("tag", "--quiet", "--set", f"nixpkgs={nixpkgs},plex={plex}", made)
        (made,) = library.snapshots()  # its tags are a part of what its ID is made of
        library.new_server()

        assert library.start_plex() is restored, (nixpkgs, plex, library.said())
        assert library.exists(HOME) is restored
