"""Who looks after the host is told of a certificate that is not good, or not for long."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.runtime.edge.visits import DOMAIN, SERVER, await_new_workers, await_that
from tests.runtime.lone_host import Host
from tests.stack import REPO

_SCRIPT = (REPO / "nix/host/certificate.sh").read_text()
_AT = f"/var/lib/acme/{DOMAIN}"
_ORDER = f"journalctl -u acme-order-renew-{DOMAIN}"


def give(on: Host, days: float, *, trusted: bool) -> datetime:
    """Have nginx show a certificate that ends in so many days."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=90))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(DOMAIN)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = certificate.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    for file, content in (("fullchain", text), ("chain", text), ("key", private)):
        (on.root / f"{_AT}/{file}.pem".lstrip("/")).write_text(content)
    on.write("/root/trusted.pem", text if trusted else "")
    on.ok("systemctl", "reload", "nginx")
    await_that(lambda: shown(on) == certificate.public_bytes(serialization.Encoding.DER))
    await_new_workers(on)
    return ends


def shown(on: Host) -> bytes | None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        on.connect(SERVER, 443) as plain,
        context.wrap_socket(plain, server_hostname=DOMAIN) as tls,
    ):
        return tls.getpeercert(binary_form=True)


def says(on: Host) -> str:
    on.write("/root/certificate.sh", _SCRIPT)
    on.write("/root/parameters", f"DOMAIN={DOMAIN}\n")
    trust = "CURL_CA_BUNDLE=/root/trusted.pem"
    return on.ok("env", trust, "sh", "/root/certificate.sh", "/root/parameters")


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (89, ""),
        # Renewed from 30 days before its end, at some time of each day.
        (21.5, ""),
        (20.5, "ends on {date}, and could not be renewed for some days"),
        (0.1, "ends on {date}, and could not be renewed for some days"),
        (-1, "has ended on {date}, and could not be renewed"),
    ],
)
def test_one_that_is_trusted(days: float, words: str, lone: Host) -> None:
    ends = give(lone, days, trusted=True)

    sentence = f"certificate: warning: the certificate of {DOMAIN} {words}; see {_ORDER}\n"
    assert says(lone) == (sentence.format(date=ends.date()) if words else "")


def test_one_that_is_not(lone: Host) -> None:
    give(lone, 89, trusted=False)

    assert says(lone) == (
        f"certificate: warning: the certificate of {DOMAIN} is not one that browsers trust; "
        f"Let's Encrypt is asked again every 15 minutes, see {_ORDER}\n"
    )


def test_where_nobody_answers_there_is_nothing_to_say(lone: Host) -> None:
    lone.ok("systemctl", "stop", "nginx")
    try:
        assert says(lone) == ""
    finally:
        lone.ok("systemctl", "start", "nginx")
