"""b2_authorize_account, whose answer has another shape in each version of the API."""

from __future__ import annotations

import base64
import binascii

from sandbox.b2.errors import B2Error
from sandbox.b2.hosts import Hosts
from sandbox.b2.keys import Key, KeyRing
from sandbox.b2.large import SMALLEST_PART_BYTES
from sandbox.b2.shapes import Answer
from sandbox.b2.store import Store

_PART_BYTES = 100_000_000


def credentials(header: str | None) -> tuple[str, str]:
    """Key ID and key out of HTTP's basic authentication. Raises B2Error where there is none."""
    scheme, _, encoded = (header or "").partition(" ")
    try:
        key_id, colon, key = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if scheme.lower() != "basic" or not colon:
        raise B2Error(401, "bad_auth_token", "Basic authentication is needed")
    return key_id, key


def answer(store: Store, keys: KeyRing, key: Key, token: str, hosts: Hosts, version: int) -> Answer:
    """What a client of that version is told about its key and where to call."""
    common: Answer = {"accountId": keys.account_id, "authorizationToken": token}
    places: Answer = {
        "absoluteMinimumPartSize": SMALLEST_PART_BYTES,
        "apiUrl": hosts.api,
        "downloadUrl": hosts.download,
        "recommendedPartSize": _PART_BYTES,
        "s3ApiUrl": "https://s3.us-west-000.backblazeb2.com",
    }
    name = _bucket_name(store, key)
    restrictions: Answer = {"capabilities": list(key.capabilities), "namePrefix": key.prefix}
    one_bucket: Answer = {**restrictions, "bucketId": key.bucket_id, "bucketName": name}
    if version < 3:
        oldest = {"minimumPartSize": _PART_BYTES} if version == 1 else {}
        return {**common, **places, **oldest, "allowed": one_bucket}
    storage = {"infoType": "storageApi", **places}
    if version == 3:
        storage |= one_bucket
    else:
        buckets = [{"id": key.bucket_id, "name": name}] if key.bucket_id else None
        storage["allowed"] = {**restrictions, "buckets": buckets}
    return {
        **common,
        "apiInfo": {"storageApi": storage},
        "applicationKeyExpirationTimestamp": None,
    }


def _bucket_name(store: Store, key: Key) -> str | None:
    """None also where the bucket that the key is for is gone."""
    return next((b.name for b in store.buckets() if b.id == key.bucket_id), None)
