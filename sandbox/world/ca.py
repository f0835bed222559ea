"""The sandbox's certificate authority, and the certificates of who stands in for whom."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_HOUR = timedelta(hours=1)
_YEARS = timedelta(days=3650)
_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A CA of one sandbox's own: `ca.pem` to be trusted, and a folder `ca` that nobody else reads."""

    def __init__(self, state: Path) -> None:
        """Opens the authority in this folder, and makes it if it is not there."""
        self.certificate = state / "ca.pem"
        self._folder = state / "ca"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key_file = self._folder / "authority.key"
        if not key_file.exists() or not self.certificate.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "plex-on-nixos sandbox")])
            certificate = (
                _builder(name, name, key, key, _YEARS)
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(_SIGNS, critical=True)
                .sign(key, hashes.SHA256())
            )
            write(key_file, _pem(key), mode=0o600)
            write(self.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        self._key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        self._name = x509.load_pem_x509_certificate(self.certificate.read_bytes()).subject

    def issue(self, title: str, names: Iterable[str]) -> Pair:
        """A certificate for these host names and addresses, new at each call, in files named so."""
        if not isinstance(self._key, ec.EllipticCurvePrivateKey):
            raise TypeError("the authority's key is not the one that was made here")
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
        certificate = (
            _builder(self._name, subject, key, self._key, _YEARS)
            .add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .sign(self._key, hashes.SHA256())
        )
        pair = Pair(self._folder / f"{title}.pem", self._folder / f"{title}.key")
        write(pair.key, _pem(key), mode=0o600)
        write(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        return pair


def write(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Writes a file so that it is there whole, with its mode, or not at all; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(fresh, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(content)
    fresh.replace(path)


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    age: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    # Both identifiers are what Python asks for since 3.13.
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    signers = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _HOUR)
        .not_valid_after(now + age)
        .add_extension(own, critical=False)
        .add_extension(signers, critical=False)
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
