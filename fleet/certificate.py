"""The certificate that a host shows to a visitor, looked at from here."""

from __future__ import annotations

import asyncio
import ssl

from cryptography import x509

from fleet.host import Certificate

_SECONDS = 10


async def look(domain: str, ipv4: str) -> Certificate:
    """Connect as a browser does, but to the address that the stack knows."""
    try:
        return await _connect(domain, ipv4, ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        fault = f"browsers do not trust its certificate: {error.verify_message}"
    except (OSError, TimeoutError) as error:
        return Certificate(fault=f"port 443 does not answer ({error or 'no answer in time'})")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return Certificate((await _connect(domain, ipv4, context)).ends, fault)
    except (OSError, TimeoutError):
        return Certificate(fault=fault)


async def _connect(domain: str, ipv4: str, context: ssl.SSLContext) -> Certificate:
    async with asyncio.timeout(_SECONDS):
        _, writer = await asyncio.open_connection(ipv4, 443, ssl=context, server_hostname=domain)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return Certificate(x509.load_der_x509_certificate(shown).not_valid_after_utc)
