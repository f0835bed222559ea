"""Which computers are refused, in which words; and what is made of apt's answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import apt, packages, preflight
from sandbox.errors import SandboxError
from tests.stack import REPO


@pytest.mark.parametrize(
    "release",
    [
        {"ID": "debian", "VERSION_ID": "12"},
        {"ID": "debian", "VERSION_ID": "13"},
        # testing and unstable.
        {"ID": "debian", "VERSION_CODENAME": "forky"},
        {"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_ID": "24.04"},
        {"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_ID": "26.04"},
    ],
)
def test_it_runs_on(release: dict[str, str]) -> None:
    assert preflight.of_system(release) is None


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ({"ID": "debian", "VERSION_ID": "11", "PRETTY_NAME": "Debian 11"}, "Debian 11"),
        ({"ID": "ubuntu", "VERSION_ID": "22.04", "PRETTY_NAME": "Ubuntu 22.04"}, "Ubuntu 22.04"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian", "VERSION_ID": "22"}, "linuxmint"),
        ({"ID": "fedora", "VERSION_ID": "43", "PRETTY_NAME": "Fedora 43"}, "Fedora 43"),
        ({}, "an unknown system"),
    ],
)
def test_everything_else_is_told_of_a_container(release: dict[str, str], name: str) -> None:
    refusal = preflight.of_system(release)
    assert refusal is not None
    first, *command = refusal.splitlines()
    assert first == (
        f"The sandbox runs on Debian 12 or newer and on Ubuntu 24.04 or newer; this is {name}. "
        "A container of Docker's does as well; in the checkout:"
    )
    assert command == preflight.CONTAINER.splitlines()


def test_it_runs_on_one_kind_of_processor() -> None:
    assert preflight.of_processor("x86_64") is None
    assert preflight.of_processor("aarch64") == (
        "The sandbox's servers have x86-64's kernel and boot loaders, so it runs on that alone; "
        "this computer is aarch64."
    )


def test_another_processor_is_refused_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(SandboxError, match="this computer is aarch64"):
        preflight.check()


def test_a_container_with_too_few_rights_is_told_what_it_lacks() -> None:
    lacking = ["the right to make namespaces and mounts", "/dev/fuse"]
    first, *command = preflight.of_container(lacking).splitlines()
    assert first == (
        "The sandbox cannot run here without the right to make namespaces and mounts and /dev/fuse. "
        "If this is a container, give it more rights; from the checkout, outside of it:"
    )
    assert command == preflight.CONTAINER.splitlines()


def test_the_documents_name_the_same_container() -> None:
    assert preflight.CONTAINER in (REPO / "sandbox/README.md").read_text()
    workflow = (REPO / ".github/workflows/ci.yml").read_text()
    # What GitHub gives its own container: the rights, and the file systems.
    for option in ("--privileged", "--cgroupns=host", "--tmpfs /tmp:exec", "--tmpfs /var/tmp:exec"):
        assert option in preflight.CONTAINER
        assert option in workflow


def test_what_is_missing_is_told_by_program_or_file(tmp_path: Path) -> None:
    wanted = {"sh": "dash", "no-such-program": "b", str(tmp_path): "c", f"{tmp_path}/none": "a"}
    assert packages.missing(wanted) == ["a", "b"]


_SOURCES = """\
# the vendor's
Types: deb
URIs: https://example.org/other
Suites: stable
Components: main

# ours

Types: deb deb-src
URIs: http://mirror.example/debian http://second.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Architectures: amd64
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBGAEHQwBEAC7MhpI
 -----END PGP PUBLIC KEY BLOCK-----
"""


def test_the_same_archive_has_another_suite(tmp_path: Path) -> None:
    """By the same way and with the same keys, wherever in apt's files these are told."""
    file = tmp_path / "debian.sources"
    file.write_text(_SOURCES)
    assert apt.of_suite(file, 2, "http://mirror.example/debian/", "trixie") == (
        "Types: deb\n"
        "URIs: http://mirror.example/debian/\n"
        "Suites: trixie\n"
        "Components: main\n"
        "Architectures: amd64\n"
        "Signed-By:\n"
        " -----BEGIN PGP PUBLIC KEY BLOCK-----\n"
        " .\n"
        " mQINBGAEHQwBEAC7MhpI\n"
        " -----END PGP PUBLIC KEY BLOCK-----\n"
    )
    listed = tmp_path / "sources.list"
    listed.write_text(
        "# deb cdrom\n"
        "deb [arch=amd64 signed-by=/usr/share/keyrings/ours.gpg] http://mirror.example/debian stable main\n"
        "deb http://mirror.example/debian stable main\n"
    )
    assert apt.of_suite(listed, 2, "http://mirror.example/debian/", "trixie") == (
        "deb [arch=amd64 signed-by=/usr/share/keyrings/ours.gpg] "
        "http://mirror.example/debian/ trixie main\n"
    )
    assert apt.of_suite(listed, 3, "http://mirror.example/debian/", "trixie") == (
        "deb http://mirror.example/debian/ trixie main\n"
    )
