"""32 random bytes make a pair of SSH keys, the same at every run."""

from __future__ import annotations

import re
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from components.identity import SshIdentity
from tests import program
from tests.program import UNKNOWN, Run, Secret

SEED = b64encode(bytes(range(32))).decode()


def openssh_version() -> tuple[int, int]:
    text = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr
    found = re.match(r"OpenSSH_(\d+)\.(\d+)", text)
    assert found
    return int(found[1]), int(found[2])


def identity(*, preview: bool = False) -> Run:
    """A program that makes one identity, and shows it in the stack's outputs."""

    def main() -> None:
        pair = SshIdentity("key")
        program.export(private=pair.private_key, public=pair.public_key)

    return program.run({}, preview=preview, program=main)


def texts() -> tuple[str, str]:
    outputs = identity().outputs
    private, public = outputs["private"], outputs["public"]
    assert isinstance(private, Secret)
    assert isinstance(private.value, str)
    assert isinstance(public, str)
    return private.value, public


def public_of(private: str, folder: Path) -> str:
    path = folder / "key"
    path.write_text(private)
    path.chmod(0o600)
    done = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(path)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_private_key_is_a_secret_and_the_public_one_is_not() -> None:
    outputs = identity().outputs

    assert isinstance(outputs["private"], Secret)
    assert isinstance(outputs["public"], str)


def test_a_first_preview_knows_neither() -> None:
    outputs = identity(preview=True).outputs

    assert outputs["public"] == UNKNOWN
    assert outputs["private"] == UNKNOWN


def test_the_texts_are_the_same_at_every_run() -> None:
    assert texts() == texts()


def test_the_seed_is_32_bytes_and_a_secret_in_state() -> None:
    seed = identity().one("RandomBytes", "key")

    assert seed.inputs == {"length": 32}
    assert {"base64", "hex"} <= set(seed.request.additionalSecretOutputs)


def test_openssh_finds_the_public_key_in_the_private_one(tmp_path: Path) -> None:
    private, public = texts()
    key = load_pem_private_key(private.encode(), None)
    assert isinstance(key, Ed25519PrivateKey)

    # In the format that every OpenSSH reads.
    older = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()

    assert public_of(older, tmp_path) == public
    assert public.startswith("ssh-ed25519 ")


@pytest.mark.skipif(
    openssh_version() < (9, 6),
    reason="OpenSSH reads ed25519 keys in PEM since 9.6, which Ubuntu 24.04 and NixOS have",
)
def test_openssh_reads_the_private_key_as_it_is(tmp_path: Path) -> None:
    private, public = texts()

    assert public_of(private, tmp_path) == public


@given(st.binary(min_size=32, max_size=32))
def test_any_32_bytes_are_a_key_whose_seed_they_are(seed: bytes) -> None:
    from components.identity import private_text

    key = load_pem_private_key(private_text(b64encode(seed).decode()).encode(), None)

    assert isinstance(key, Ed25519PrivateKey)
    assert key.private_bytes_raw() == seed
