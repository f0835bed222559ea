"""TLS as a scanner of somebody else's sees it: testssl.sh, with everything that it tries to break it by."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.needs import needs
from tests.runtime.edge.visits import DOMAIN, SERVER
from tests.runtime.lone_host import Host

pytestmark = [
    pytest.mark.heavy,
    needs("there is no testssl: apt install testssl.sh", shutil.which("testssl")),
]

# Protocols, kinds of ciphers, forward secrecy, headers, each attack with a name; simulated clients. Not the
# certificate, which is the test's own.
_WHAT = ["-p", "-s", "-f", "-h", "-U", "-c"]
_KNOWN = {
    # Two of the article's ciphers work by CBC, for televisions. OpenSSL has withstood this since 2013.
    "cipherlist_AVERAGE",
    "LUCKY13",
    # It has nothing to ask with: the OpenSSL of this computer does not renegotiate itself.
    "secure_renego",
    # Nor has it the ciphers of GOST everywhere, which the host does not offer.
    "engine_problem",
    # The page, which is what there is before Plex is claimed.
    "HTTP_status_code",
}


def test_it_finds_nothing(lone: Host, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = ["--quiet", "--warnings", "batch", "--nodns", "none", "--ip", SERVER, *_WHAT]
    done = subprocess.run(
        [
            *("nsenter", f"--target={lone.pid}", "--net", "testssl"),
            *(*options, "--jsonfile", str(report), f"https://{DOMAIN}"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    findings = {each["id"]: each for each in json.loads(report.read_text())}
    assert "TLS1_3" in findings, done.stdout
    worse = {
        name: (each["severity"], each["finding"])
        for name, each in findings.items()
        if each["severity"] not in ("OK", "INFO") and name not in _KNOWN
    }
    assert worse == {}

    offered = {
        name
        for name in ("SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3")
        if not findings[name]["finding"].startswith("not offered")
    }
    assert offered == {"TLS1_2", "TLS1_3"}
    assert findings["ALPN_HTTP2"]["finding"] == "h2"
    # PFS, as older ones have it.
    assert (findings.get("FS") or findings["PFS"])["severity"] == "OK"
    for client in ("firefox_100_win10", "chrome_101_win10", "android_70", "safari_121_ios_122"):
        assert findings[f"clientsimulation-{client}"]["finding"].startswith("TLSv1.")
