"""The sandbox's certificates, as a program reads them that takes nothing on trust."""

from __future__ import annotations

import ssl
from pathlib import Path

from sandbox.world.ca import Authority


def test_a_strict_client_takes_them(tmp_path: Path) -> None:
    """Python itself is one since 3.13."""
    authority = Authority(tmp_path)
    pair = authority.issue("site", ["site.sandbox", "127.0.0.1"])
    trust = ssl.create_default_context(cafile=authority.certificate)
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(pair.certificate, pair.key)
    asked, answered = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust.wrap_bio(answered, asked, server_hostname="site.sandbox")
    server = served.wrap_bio(asked, answered, server_side=True)

    waiting = [client, server]
    while waiting:
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)

    assert client.version() == "TLSv1.3"
