"""SSH identities out of 32 random bytes, which are an ed25519 private key."""

from __future__ import annotations

from base64 import b64decode

import pulumi
import pulumi_random as random
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


class SshIdentity(pulumi.ComponentResource):
    """A pair of keys that lives in the stack's encrypted state, so that nobody handles a file.

    `private_key` is PEM (PKCS #8, which OpenSSH reads since 9.6), the same text at every run; it is
    a secret. `public_key` is one line in OpenSSH's format, without a comment.
    """

    private_key: pulumi.Output[str]
    public_key: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("plex-on-nixos:index:SshIdentity", name, None, opts)
        seed = random.RandomBytes(
            name,
            length=32,
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["base64", "hex"]),
        )
        self.private_key = pulumi.Output.secret(seed.base64.apply(private_text))
        self.public_key = pulumi.Output.unsecret(seed.base64.apply(public_text))
        self.register_outputs({"public_key": self.public_key})


def _key(seed: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(b64decode(seed))


def private_text(seed: str) -> str:
    """The private key of 32 bytes in base64, as PEM (PKCS #8)."""
    return (
        _key(seed).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    )


def public_text(seed: str) -> str:
    """The public key of 32 bytes in base64, one line in OpenSSH's format, without a comment."""
    public = _key(seed).public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
