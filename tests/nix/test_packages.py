"""The miniature's packages, and the tarball that machines fetch it as."""

from __future__ import annotations

import os
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from sandbox.nixpkgs import tarball
from sandbox.toolchain.versions import RCLONE
from tests.nix.evaluation import EvaluationError, evaluate
from tests.nix.miniature import NIXPKGS, Evaluate, Store


def test_an_archive_becomes_a_package(store: Store, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "plugin.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("Plugin-1.0/Contents/Info.plist")
        archive.addfile(entry, BytesIO())

    built_at = store.build(f"""
      with import <nixpkgs> {{ }};
      stdenv.mkDerivation {{
        name = "Plugin.bundle";
        src = {tmp_path}/plugin.tar.gz;
        nativeBuildInputs = [ (writeShellScriptBin "tool" "echo from a tool") ];
        installPhase = "mkdir -p $out; cp -R * $out/; tool >$out/said";
      }}
    """)

    assert built_at.name.endswith("-Plugin.bundle")
    assert (built_at / "Contents/Info.plist").exists()
    assert (built_at / "said").read_text() == "from a tool\n"


def test_a_package_that_is_not_there_says_so(store: Store, nix: Evaluate) -> None:
    with pytest.raises(EvaluationError, match="attribute 'no-such-package' missing"):
        nix("(import <nixpkgs> { }).no-such-package.outPath")
    with pytest.raises(
        AssertionError, match="nothing: the sandbox's machines have no such program"
    ):
        store.build("""
          let pkgs = import <nixpkgs> { }; in
          import <nixpkgs/pkgs/debian.nix> { inherit (pkgs) mkDerivation; } "nothing" [ "no-such" ]
        """)


def test_rclones_version_is_the_toolchains(nix: Evaluate) -> None:
    assert nix("(import <nixpkgs> { }).rclone.version") == RCLONE


def test_plex_starts_with_the_plugins_of_its_configuration(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    (raw / "lib/plexmediaserver").mkdir(parents=True)
    program = raw / "lib/plexmediaserver/plexmediaserver"
    program.write_text('#!/bin/sh\necho "$PLEX_MEDIA_SERVER_APPLICATION_SUPPORT_DIR"\n')
    program.chmod(0o755)
    wrapper = tmp_path / "wrapper"
    wrapper.write_text((NIXPKGS / "pkgs/plex.sh").read_text().replace("@raw@", str(raw)))
    plugins = tmp_path / "data/Plex Media Server/Plug-ins"

    def start(*paths: str) -> str:
        environment = {"PLEX_DATADIR": str(tmp_path / "data"), "PLEX_PLUGINS": ":".join(paths)}
        done = subprocess.run(
            ["sh", wrapper],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    assert start("/nix/store/abc-One.bundle", "/nix/store/def-Two.bundle") == str(tmp_path / "data")
    assert {path.name for path in plugins.iterdir()} == {"One.bundle", "Two.bundle"}
    (plugins / "ByHand.bundle").mkdir()
    start("/nix/store/ghi-Two.bundle")
    assert {path.name for path in plugins.iterdir()} == {"Two.bundle", "ByHand.bundle"}
    assert (plugins / "Two.bundle").readlink() == Path("/nix/store/ghi-Two.bundle")


def test_a_release_knows_its_version(nix: Evaluate, tmp_path: Path) -> None:
    made = tarball.make(tarball.NEXT_RELEASE, 3)
    with tarfile.open(fileobj=BytesIO(made.content), mode="r:xz") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (top,) = (tmp_path / "unpacked").iterdir()

    version = evaluate("(import <nixpkgs/lib>).version", tmp_path, {"nixpkgs": top})

    assert top.name == f"nixos-{version}" == made.name
    assert str(version).startswith(f"{tarball.NEXT_RELEASE}.3.")
    assert nix("lib.trivial.release") == tarball.RELEASE


def test_the_hash_is_nixs_own(tmp_path: Path) -> None:
    made = tarball.make(tarball.RELEASE)
    with tarfile.open(fileobj=BytesIO(made.content), mode="r:xz") as archive:
        archive.extractall(tmp_path, filter="data")

    done = subprocess.run(
        ["nix-hash", "--type", "sha256", tmp_path / made.name],
        capture_output=True,
        text=True,
        check=True,
        env={
            "PATH": os.environ["PATH"],
            "NIX_STATE_DIR": str(tmp_path),
            "NIX_STORE_DIR": str(tmp_path),
        },
    )
    sri = subprocess.run(
        [
            *("nix", "--extra-experimental-features", "nix-command", "hash", "to-sri"),
            *("--type", "sha256", done.stdout.strip()),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={
            "PATH": os.environ["PATH"],
            "NIX_STATE_DIR": str(tmp_path),
            "NIX_STORE_DIR": str(tmp_path),
        },
    )

    assert sri.stdout.strip() == made.nar_hash


def test_releases_differ_by_release_and_number_and_by_nothing_else() -> None:
    release = tarball.RELEASE
    first, again = tarball.make(release), tarball.make(release)
    later, other = tarball.make(release, 2), tarball.make(tarball.NEXT_RELEASE)

    assert first == again
    assert len({first.nar_hash, later.nar_hash, other.nar_hash}) == 3
    assert first.url == f"https://releases.nixos.org/nixos/{release}/{first.name}/nixexprs.tar.xz"
