"""Application keys on disk, and the tokens given out for them, which a restart forgets."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sandbox.b2 import files
from sandbox.b2.errors import B2Error, unauthorized

TOKEN_SECONDS = 24 * 3600

CAPABILITIES = (
    "listKeys",
    "writeKeys",
    "deleteKeys",
    "listBuckets",
    "writeBuckets",
    "deleteBuckets",
    "listFiles",
    "readFiles",
    "shareFiles",
    "writeFiles",
    "deleteFiles",
)


@dataclass(frozen=True)
class Key:
    """An application key. `bucket_id` and `prefix` restrict it; None does not.

    `since` is the oldest version of the API that authorizes it, if it is for a bucket.
    """

    id: str
    secret: str
    name: str
    capabilities: tuple[str, ...]
    bucket_id: str | None = None
    prefix: str | None = None
    since: int = 4

    def require(self, capability: str, bucket_id: str | None = None, name: str = "") -> None:
        """Raises B2Error unless the key may do this, there, with this file or file name prefix."""
        allowed = (
            capability in self.capabilities
            and self.bucket_id in (None, bucket_id)
            and name.startswith(self.prefix or "")
        )
        if not allowed:
            raise unauthorized()


@dataclass(frozen=True)
class Grant:
    """What a token stands for. A token for uploads or shared downloads has a narrower key."""

    key: Key
    expires: float


class KeyRing:
    """The account's keys, kept in a file of mode 0600. The master key is made with the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._grants: dict[str, Grant] = {}
        if path.exists():
            loaded = json.loads(path.read_text())
            self.account_id: str = loaded["account_id"]
            self._keys = {
                item["id"]: Key(**{**item, "capabilities": tuple(item["capabilities"])})
                for item in loaded["keys"]
            }
        else:
            self.account_id = secrets.token_hex(6)
            self._keys = {}
            self.put(Key(self.account_id, _secret(), "Master Application Key", CAPABILITIES))

    @property
    def master(self) -> Key:
        """The key that may do everything; its ID is the account's."""
        return self._keys[self.account_id]

    def all(self) -> list[Key]:
        """Every key but the master key, in the order of their making."""
        return [key for key in self._keys.values() if key is not self.master]

    def create(
        self,
        name: str,
        capabilities: tuple[str, ...],
        bucket_id: str | None = None,
        prefix: str | None = None,
        since: int = 4,
    ) -> Key:
        """Makes a key and keeps it."""
        key_id = f"000{self.account_id}{len(self._keys):010d}"
        return self.put(Key(key_id, _secret(), name, capabilities, bucket_id, prefix, since))

    def put(self, key: Key) -> Key:
        """Keeps a key that was made elsewhere, in place of one with the same ID."""
        self._keys[key.id] = key
        self._save()
        return key

    def delete(self, key_id: str) -> Key:
        """Takes a key away, and what it was granted. Raises B2Error for a key that is not there."""
        key = self._keys.get(key_id)
        if key is None or key is self.master:
            raise B2Error(400, "bad_request", "applicationKeyId not found: " + key_id)
        del self._keys[key_id]
        self._grants = {t: g for t, g in self._grants.items() if g.key.id != key_id}
        self._save()
        return key

    def authorize(self, key_id: str, secret: str, version: int) -> tuple[Key, str]:
        """The key and a token for it, asked by that version of the API.

        Raises:
            B2Error: ID or secret is wrong, or the key is for newer versions.
        """
        key = self._keys.get(key_id)
        if key is None or not secrets.compare_digest(key.secret.encode(), secret.encode()):
            raise unauthorized()
        if key.bucket_id is not None and version < key.since:
            message = f"This request is not currently supported on API version number {version}"
            raise B2Error(400, "bad_request", message)
        return key, self._grant(key, TOKEN_SECONDS)

    def narrow(
        self, key: Key, capability: str, bucket_id: str, prefix: str, seconds: int = TOKEN_SECONDS
    ) -> str:
        """A token for one capability in one bucket, under one prefix."""
        narrowed = replace(key, capabilities=(capability,), bucket_id=bucket_id, prefix=prefix)
        return self._grant(narrowed, seconds)

    def key_of(self, token: str | None) -> Key:
        """Whose token this is. Raises B2Error as B2 does for a missing, unknown or old one."""
        if not token:
            raise B2Error(401, "bad_auth_token", "Authorization token is missing")
        grant = self._grants.get(token)
        if grant is None:
            raise B2Error(401, "bad_auth_token", "Invalid authorization token")
        if grant.expires < time.time():
            raise B2Error(401, "expired_auth_token", "Authorization token has expired")
        return grant.key

    def _grant(self, key: Key, seconds: int) -> str:
        token = f"4_{key.id}_{secrets.token_urlsafe(24)}"
        self._grants[token] = Grant(key, time.time() + seconds)
        return token

    def _save(self) -> None:
        keys = [asdict(key) for key in self._keys.values()]
        files.write_json(self._path, {"account_id": self.account_id, "keys": keys})


def _secret() -> str:
    return "K000" + secrets.token_hex(14)[:27]
