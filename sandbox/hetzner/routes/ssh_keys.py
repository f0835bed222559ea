"""/ssh_keys: public keys, unique by name and by fingerprint."""

from __future__ import annotations

import base64
import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import labels
from ..context import body, by_id, check_name, cloud
from ..errors import invalid, not_unique
from ..listing import chosen, page
from ..records import SshKey
from .common import SORT_KEYS, Change, Labels, Name, rename


class _Create(BaseModel):
    name: Name
    public_key: str
    labels: Labels = {}


def render(key: SshKey) -> dict[str, object]:
    """An SSH key as clients see it."""
    return {
        "id": key.id,
        "name": key.name,
        "fingerprint": key.fingerprint,
        "public_key": key.public_key,
        "labels": key.labels,
        "created": key.created,
    }


def _fingerprint(text: str) -> str:
    try:
        load_ssh_public_key(text.encode())
        blob = base64.b64decode(text.split()[1])
    except (ValueError, UnsupportedAlgorithm):
        raise invalid("public_key", "is not an OpenSSH public key") from None
    # MD5 is the form that the API gives fingerprints in, not a protection of anything.
    return hashlib.md5(blob, usedforsecurity=False).digest().hex(":")


async def listed(request: Request) -> Response:
    """GET /ssh_keys"""
    rows = chosen(
        request,
        cloud(request).state.ssh_keys,
        name=lambda key: key.name,
        labels=lambda key: key.labels,
    )
    if wanted := request.query_params.get("fingerprint"):
        rows = [row for row in rows if row.fingerprint == wanted]
    return page(request, "ssh_keys", rows, render, SORT_KEYS)


async def create(request: Request) -> Response:
    """POST /ssh_keys"""
    wanted = await body(request, _Create)
    state = cloud(request).state
    labels.check(wanted.labels)
    public_key = wanted.public_key.strip()
    fingerprint = _fingerprint(public_key)
    check_name(state.ssh_keys, "SSH key", wanted.name)
    if any(key.fingerprint == fingerprint for key in state.ssh_keys):
        raise not_unique("public_key", "SSH key with the same fingerprint already exists")
    key = SshKey(
        id=state.new_id(),
        name=wanted.name,
        labels=wanted.labels,
        public_key=public_key,
        fingerprint=fingerprint,
    )
    state.ssh_keys.save(key)
    return JSONResponse({"ssh_key": render(key)}, 201)


async def get(request: Request) -> Response:
    """GET /ssh_keys/{id}"""
    key = by_id(request, cloud(request).state.ssh_keys, "SSH key")
    return JSONResponse({"ssh_key": render(key)})


async def update(request: Request) -> Response:
    """PUT /ssh_keys/{id}"""
    state = cloud(request).state
    key = by_id(request, state.ssh_keys, "SSH key")
    rename(state.ssh_keys, "SSH key", key, await body(request, Change))
    return JSONResponse({"ssh_key": render(key)})


async def delete(request: Request) -> Response:
    """DELETE /ssh_keys/{id}"""
    state = cloud(request).state
    state.ssh_keys.delete(by_id(request, state.ssh_keys, "SSH key").id)
    return Response(status_code=204)


routes = [
    Route("/ssh_keys", listed),
    Route("/ssh_keys", create, methods=["POST"]),
    Route("/ssh_keys/{id:int}", get),
    Route("/ssh_keys/{id:int}", update, methods=["PUT"]),
    Route("/ssh_keys/{id:int}", delete, methods=["DELETE"]),
]
