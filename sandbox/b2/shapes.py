"""What the calls answer with, as JSON."""

from __future__ import annotations

from sandbox.b2.keys import Key
from sandbox.b2.large import Part
from sandbox.b2.listing import Entry, Folder
from sandbox.b2.store import Bucket

Answer = dict[str, object]


def entry_json(account_id: str, version: int, bucket_id: str, entry: Entry) -> Answer:
    """A file version or a folder as B2 describes it. Version 1 calls the length `size` as well."""
    if isinstance(entry, Folder):
        answer: Answer = {
            "action": "folder",
            "contentLength": 0,
            "contentSha1": None,
            "contentType": None,
            "fileId": None,
            "fileInfo": {},
            "uploadTimestamp": 0,
        }
    else:
        answer = {
            "action": entry.action,
            "contentLength": entry.size,
            "contentSha1": entry.sha1,
            "contentType": entry.content_type,
            "fileId": entry.id,
            "fileInfo": entry.info,
            "uploadTimestamp": entry.uploaded,
        }
    common = {
        "accountId": account_id,
        "bucketId": bucket_id,
        "contentMd5": None,
        "fileName": entry.name,
    }
    size = {"size": answer["contentLength"]} if version == 1 else {}
    return {**common, **answer, **size}


def part_json(file_id: str, part: Part) -> Answer:
    return {
        "fileId": file_id,
        "partNumber": part.number,
        "contentLength": part.size,
        "contentSha1": part.sha1,
        "contentMd5": None,
        "uploadTimestamp": part.uploaded,
    }


def bucket_json(account_id: str, bucket: Bucket) -> Answer:
    return {
        "accountId": account_id,
        "bucketId": bucket.id,
        "bucketInfo": {},
        "bucketName": bucket.name,
        "bucketType": bucket.type,
        "corsRules": [],
        "lifecycleRules": [],
        "options": ["s3"],
        "revision": 1,
    }


def key_json(account_id: str, key: Key) -> Answer:
    return {
        "accountId": account_id,
        "applicationKeyId": key.id,
        "bucketId": key.bucket_id,
        "capabilities": list(key.capabilities),
        "expirationTimestamp": None,
        "keyName": key.name,
        "namePrefix": key.prefix,
        "options": ["s3"],
    }
