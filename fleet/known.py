"""What a stack's state knows of its host, and its configuration of Hetzner."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pulumi import automation

from fleet import stacks
from fleet.engine import Engine, stack
from fleet.errors import FleetError
from fleet.progress import reason
from fleet.ssh import Address

_SECRET = "4dabf18193072939515e22adb298388d"  # noqa: S105 - by which Pulumi marks a secret in a state


@dataclass(frozen=True)
class Known:
    """A stack that has a host."""

    address: Address
    token: str
    endpoint: str


def known(name: str, engine: Engine, folder: Path = stacks.FOLDER) -> Known:
    """Ask Pulumi for a stack's state and configuration.

    Raises:
        FleetError: it has none, or cannot be read.
    """
    one = stack(name, engine, folder)
    try:
        deployment = one.export_stack().deployment or {}
        config = {key: each.value for key, each in one.get_all_config().items()}
    except automation.StackNotFoundError:
        raise FleetError(
            f"Pulumi has no stack {name}; `python -m fleet new {name}` makes it"
        ) from None
    except automation.CommandError as error:
        raise FleetError(f"its state cannot be read: {reason([], str(error))}") from error
    address = find(name, deployment.get("resources", []))
    if address is None:
        raise FleetError(f"it has no server yet; `python -m fleet up {name}` makes it")
    return Known(
        address,
        token=config.get("hcloud:token") or os.environ.get("HCLOUD_TOKEN", ""),
        endpoint=config.get("hcloud:endpoint") or "https://api.hetzner.cloud/v1",
    )


def find(name: str, resources: Sequence[Mapping[str, Any]]) -> Address | None:
    """The host's address in a state; None where there is none, or not all of it."""
    outputs: Mapping[str, Any] = {}
    seed = None
    for each in resources:
        if each["type"] == "pulumi:pulumi:Stack":
            outputs = each.get("outputs") or {}
        elif each["type"] == "random:index/randomBytes:RandomBytes" and each["urn"].endswith(
            f"::{name}-deploy"
        ):
            seed = _plain(each["outputs"]["base64"])
    if seed is None or not {"ipv4", "knownHosts"} <= outputs.keys():
        return None
    line = _plain(outputs["knownHosts"])
    return Address(
        stack=name,
        domain=line.split()[0],
        ipv4=_plain(outputs["ipv4"]),
        known_hosts=line,
        private_key=_private_key(seed),
    )


def _private_key(seed: str) -> str:
    """The key as components/identity.py has it, in the form that every version of ssh reads."""
    key = Ed25519PrivateKey.from_private_bytes(b64decode(seed))
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode("ascii")


def _plain(value: Any) -> str:
    if isinstance(value, dict) and _SECRET in value:
        return str(json.loads(value["plaintext"]))
    return str(value)
