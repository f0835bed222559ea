"""32 random bytes make a pair of SSH keys, the same at every run."""

from __future__ import annotations

from base64 import b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from components.identity import SshIdentity
from tests import program
from tests.program import UNKNOWN, Run, Secret

SEED = b64encode(bytes(range(32))).decode()


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


def test_the_public_key_is_that_of_the_private_one() -> None:
    private, public = texts()
    key = load_pem_private_key(private.encode(), None).public_key()

    assert public == key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@given(st.binary(min_size=32, max_size=32))
def test_any_32_bytes_are_a_key_whose_seed_they_are(seed: bytes) -> None:
    from components.identity import private_text

    key = load_pem_private_key(private_text(b64encode(seed).decode()).encode(), None)

    assert isinstance(key, Ed25519PrivateKey)
    assert key.private_bytes_raw() == seed
