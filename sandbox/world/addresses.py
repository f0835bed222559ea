"""Who has which address and which name in the world."""

from __future__ import annotations

from sandbox.b2.hosts import NAMES as B2_NAMES

SWITCH = "switch"
"""The bridge that every address of the world is on, and every machine's cable ends at."""

GATEWAY = "172.31.1.1"
GATEWAY6 = "fe80::1"
METADATA = "169.254.169.254"
METADATA6 = "fe80::a9fe:a9fe"
RESOLVERS = ("185.12.64.2", "185.12.64.1")
RESOLVERS6 = ("2a01:4ff:ff00::add:1", "2a01:4ff:ff00::add:2")
INTERNET = "192.0.2.10"
B2 = "192.0.2.20"
ACME = "192.0.2.30"
HETZNER = "192.0.2.40"

LAPTOP = "198.51.100.7"
LAPTOP6 = "2001:db8:ffff::7"
"""Where those come from who call a machine; no private address, which a server may take for its own."""

MACHINES = "203.0.113.0/24"
MACHINES6 = "2001:db8::/32"
"""The machines' public addresses, each of them on the switch."""

API_PORT = 8000
"""The Hetzner API's, on the world's loopback."""
FAULTS_PORT = 8001
"""Beside it: what the API is to do wrong is ordered here."""

CHANNELS_NAME = "channels.nixos.org"
INTERNET_NAMES = (
    "github.com",
    "objects.githubusercontent.com",
    "releases.nixos.org",
    CHANNELS_NAME,
)
ACME_NAMES = ("acme-v02.api.letsencrypt.org", "acme-staging-v02.api.letsencrypt.org")
HETZNER_NAME = "api.hetzner.cloud"

NAMES = {
    **dict.fromkeys(INTERNET_NAMES, INTERNET),
    **dict.fromkeys(B2_NAMES, B2),
    **dict.fromkeys(ACME_NAMES, ACME),
    HETZNER_NAME: HETZNER,
}
"""What the resolver answers of its own; the rest are the zones at Hetzner."""
