"""/ssh_keys: public keys, unique by name and by fingerprint."""

from __future__ import annotations

import base64
import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import labels
from ..context import Cloud, body, check_name, cloud
from ..errors import invalid, not_unique
from ..records import SshKey
from .common import Labels, Name
from .resource import Kind


class _Create(BaseModel):
    name: Name
    public_key: str
    labels: Labels = {}


def _render(_parts: Cloud, key: SshKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "fingerprint": key.fingerprint,
        "public_key": key.public_key,
        "labels": key.labels,
        "created": key.created,
    }


KIND = Kind("ssh_key", "SSH key", lambda state: state.ssh_keys, _render)


def _fingerprint(text: str) -> str:
    try:
        load_ssh_public_key(text.encode())
        blob = base64.b64decode(text.split()[1])
    except (ValueError, UnsupportedAlgorithm):
        raise invalid("public_key", "is not an OpenSSH public key") from None
    # MD5 is the form that the API gives fingerprints in, not a protection of anything.
    return hashlib.md5(blob, usedforsecurity=False).digest().hex(":")


async def create(request: Request) -> Response:
    """POST /ssh_keys"""
    wanted = await body(request, _Create)
    parts = cloud(request)
    labels.check(wanted.labels)
    public_key = wanted.public_key.strip()
    fingerprint = _fingerprint(public_key)
    check_name(parts.state.ssh_keys, KIND.title, wanted.name)
    if any(key.fingerprint == fingerprint for key in parts.state.ssh_keys):
        raise not_unique("public_key", "SSH key with the same fingerprint already exists")
    key = SshKey(
        id=parts.state.new_id(),
        name=wanted.name,
        labels=wanted.labels,
        public_key=public_key,
        fingerprint=fingerprint,
    )
    parts.state.ssh_keys.save(key)
    return KIND.answer(parts, key, 201)


def _remove(parts: Cloud, key: SshKey) -> None:
    parts.state.ssh_keys.delete(key.id)


routes = [
    Route("/ssh_keys", create, methods=["POST"]),
    *KIND.routes(_remove, filters={"fingerprint": lambda _parts, key: [key.fingerprint]}),
]
