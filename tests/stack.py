"""A stack whose configuration is valid, as Pulumi hands it over, for every layer of tests."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import yaml

from components import settings
from components.settings import Settings
from sandbox.nixpkgs.tarball import RELEASE

REPO = Path(__file__).resolve().parent.parent
PROJECT = "plex-on-nixos"

APPLICATION_KEY = "K005bXVzaWNhbmRmaWxtc2FyZWhlcmU"
BACKUP_APPLICATION_KEY = "K005dGhlbGlicmFyeXNiYWNrdXBzYXJl"
NOTIFY_URL = "https://ntfy.films.sandbox/aTopicThatNobodyGuesses"
TOKEN = "t0kenOfTheHetznerProjectThatNobodyShouldEverSeeInAnyOutputOrLog0"
PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGL1wHcnSLYWNIPKOD7AhKRR8yPRdpCkhEkSnA1sxOz4 alice@laptop"
)
SECRET_KEYS = frozenset(
    {
        f"{PROJECT}:b2ApplicationKey",
        f"{PROJECT}:backupApplicationKey",
        f"{PROJECT}:notifyUrl",
        "hcloud:token",
    }
)

# What has no default in Pulumi.yaml; the key for the backups, without which there are none; and a release,
# with pins that are all filled in, as a fork's are after `make pins`.
_GIVEN: dict[str, object] = {
    "domain": "plex.films.sandbox",
    "dnsZone": "films.sandbox",
    "acmeEmail": "owner@films.sandbox",
    "b2Bucket": "films-and-music",
    "b2KeyId": "0005a1b2c3d4e5f0000000001",
    "b2ApplicationKey": APPLICATION_KEY,
    "backupKeyId": "0005a1b2c3d4e5f0000000002",
    "backupApplicationKey": BACKUP_APPLICATION_KEY,
    "notifyUrl": NOTIFY_URL,
    "administrators": {"alice": [PUBLIC_KEY]},
    "nixosRelease": RELEASE,
    "pins": "tests/pins.json",
}


@cache
def declared() -> dict[str, dict[str, object]]:
    """Every key's declaration in Pulumi.yaml."""
    project = yaml.safe_load((REPO / "Pulumi.yaml").read_text())
    config: dict[str, dict[str, object]] = project["config"]
    return config


def as_text(value: object) -> str:
    """A value as Pulumi stores and hands it over: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def config(**overrides: object) -> dict[str, str]:
    """The stack's configuration, Pulumi.yaml's defaults included, by full key.

    Args:
        overrides: other values by their keys in Pulumi.yaml, such as `timeZone`; None takes a key away.
    """
    defaults = {
        key: declaration["default"]
        for key, declaration in declared().items()
        if "default" in declaration
    }
    values = {**defaults, **_GIVEN, **overrides}
    return {"hcloud:token": TOKEN} | {
        f"{PROJECT}:{key}": as_text(value) for key, value in values.items() if value is not None
    }


def settings_of(**overrides: object) -> Settings:
    """The same as the program sees it, checked."""
    return settings.parse(config(**overrides), SECRET_KEYS)
