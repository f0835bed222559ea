"""What an application key of Backblaze B2 may do, asked of Backblaze."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests

_AUTHORIZE = "https://api.backblazeb2.com/b2api/v4/b2_authorize_account"
_SECONDS = 30

READ = ("listFiles", "readFiles")
WRITE = (*READ, "writeFiles", "deleteFiles")


@dataclass(frozen=True)
class Key:
    """An application key that Backblaze knows."""

    capabilities: tuple[str, ...]
    buckets: tuple[str, ...] | None
    """Their names, where it is not for all of them."""
    prefix: str
    """What the names of files have to begin with for it."""


def key(key_id: str, application_key: str, bucket: str) -> Key:
    """What a key may do. If it is for all buckets, it is asked which of them `bucket` is.

    Raises:
        ValueError: Backblaze does not take it, or does not answer.
    """
    account = _answer(requests.get, _AUTHORIZE, auth=(key_id, application_key))
    api = account["apiInfo"]["storageApi"]
    allowed = api["allowed"]
    names: tuple[str, ...] | None = None
    if allowed["buckets"] is not None:
        names = tuple(str(each["name"]) for each in allowed["buckets"])
    elif "listBuckets" in allowed["capabilities"]:
        listed = _answer(
            requests.post,
            f"{api['apiUrl']}/b2api/v4/b2_list_buckets",
            headers={"Authorization": account["authorizationToken"]},
            json={"accountId": account["accountId"], "bucketName": bucket},
        )
        if not listed["buckets"]:
            raise ValueError(f"there is no bucket {bucket} in the key's account")
    return Key(tuple(sorted(allowed["capabilities"])), names, allowed["namePrefix"] or "")


def lacks(found: Key, bucket: str, needs: Sequence[str], folder: str = "") -> str | None:
    """Why a key does not do for a folder of a bucket; or None.

    Args:
        found: the key.
        bucket: its name.
        needs: the capabilities that are needed.
        folder: in the bucket; empty for all of it.
    """
    if found.buckets is not None and bucket not in found.buckets:
        return f"this key is for {', '.join(found.buckets) or 'a bucket that is gone'}, not for {bucket}"
    if not folder.startswith(found.prefix):
        return f"this key is for names that begin with {found.prefix} only"
    missing = [each for each in needs if each not in found.capabilities]
    if missing:
        return f"this key may {', '.join(found.capabilities) or 'do nothing'}; it lacks {', '.join(missing)}"
    return None


def _answer(ask: Any, url: str, **words: Any) -> Any:
    try:
        answer = ask(url, timeout=_SECONDS, **words)
        body = answer.json()
    except requests.RequestException as error:
        raise ValueError(f"Backblaze does not answer ({type(error).__name__})") from error
    if answer.status_code == 401:
        raise ValueError("Backblaze does not take this keyID with this applicationKey")
    if answer.status_code != 200:
        raise ValueError(f"Backblaze answered: {body.get('message') or answer.status_code}")
    return body
