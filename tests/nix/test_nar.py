"""The hash of a tarball's folder is the one that the real Nix takes of what tar unpacks."""

from __future__ import annotations

import io
import lzma
import os
import subprocess
import tarfile
from base64 import b64encode
from pathlib import Path

import pytest

from components.nar import NarError, tree_hash


def packed(folder: Path, *options: str) -> bytes:
    done = subprocess.run(
        ["tar", "-cJ", *options, "-C", folder.parent, folder.name], capture_output=True, check=True
    )
    return done.stdout


def nix_hash(folder: Path, state: Path) -> str:
    done = subprocess.run(
        ["nix-hash", "--type", "sha256", folder],
        capture_output=True,
        text=True,
        check=True,
        env={
            "PATH": os.environ["PATH"],
            "NIX_STATE_DIR": str(state),
            "NIX_STORE_DIR": str(state),
        },
    )
    return "sha256-" + b64encode(bytes.fromhex(done.stdout)).decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Whatever a tree may hold, in names that sort otherwise by path than folder by folder."""
    root = tmp_path / "nixos-99.05.1.abcdef"
    (root / "a" / "b").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "a" / "b" / "file").write_text("deep")
    (root / "a-b").write_text("'-' comes before '/'")
    (root / "a.nix").write_bytes(b"")
    (root / "B").write_bytes(b"12345678")
    (root / "größe").write_bytes(b"\0\xff" * 4_000)
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o755)
    (root / "run-by-others").write_text("#!/bin/sh\n")
    (root / "run-by-others").chmod(0o655)
    (root / "link").symlink_to("a/b/file")
    (root / "link-to-folder").symlink_to("a")
    (root / "broken").symlink_to("../nowhere")
    (root / "hard").hardlink_to(root / "run")
    long = root / ("long" * 30) / ("name" * 30)
    long.parent.mkdir()
    long.write_text("longer than a header of tar")
    (root / os.fsdecode(b"latin-\xe4")).write_text("no UTF-8")
    return root


@pytest.mark.parametrize("format_", ["gnu", "pax"])
def test_it_is_nixs_own(folder: Path, tmp_path: Path, format_: str) -> None:
    made = packed(folder, f"--format={format_}")

    assert tree_hash(io.BytesIO(made)) == nix_hash(folder, tmp_path / "nix")


@pytest.mark.parametrize("what", ["run", "a.nix", "broken"])
def test_everything_counts(folder: Path, what: str) -> None:
    before = tree_hash(io.BytesIO(packed(folder)))
    path = folder / what
    if what == "run":
        path.chmod(0o644)
    elif what == "a.nix":
        path.write_text("{ }")
    else:
        path.unlink()
        path.symlink_to("elsewhere")

    assert tree_hash(io.BytesIO(packed(folder))) != before


def test_what_is_damaged_is_refused(folder: Path) -> None:
    made = packed(folder)

    for content in (made[: len(made) // 2], b"<html>", b"", lzma.compress(b"<html>" * 200)):
        with pytest.raises(NarError, match=r"no whole \.tar\.xz"):
            tree_hash(io.BytesIO(content))


def test_a_tarball_of_anything_but_one_folder_is_refused(tmp_path: Path) -> None:
    for names in (["file"], ["one/file", "two/file"], []):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
            for name in names:
                archive.addfile(tarfile.TarInfo(name))
        buffer.seek(0)
        with pytest.raises(NarError, match="not one folder"):
            tree_hash(buffer)
