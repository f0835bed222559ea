"""The calls that take and give JSON. Each is a function of the service, the caller and the request."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sandbox.b2 import listing
from sandbox.b2.errors import bad_request, unauthorized
from sandbox.b2.keys import CAPABILITIES, Key, KeyRing
from sandbox.b2.listing import Page
from sandbox.b2.names import check_file_name
from sandbox.b2.requests import (
    BucketOnly,
    CreateBucket,
    CreateKey,
    DeleteKey,
    DeleteVersion,
    FileOnly,
    HideFile,
    ListBuckets,
    ListNames,
    Request,
    ShareFiles,
)
from sandbox.b2.shapes import Answer, bucket_json, entry_json, key_json
from sandbox.b2.store import Store


@dataclass(frozen=True)
class Caller:
    """Who calls, which version of the API, and the URL that uploads go to."""

    key: Key
    version: int
    upload_base: str


@dataclass(frozen=True)
class Service:
    """What every call works on."""

    store: Store
    keys: KeyRing


def list_buckets(service: Service, caller: Caller, request: ListBuckets) -> Answer:
    _own_account(service, request.account_id)
    named = service.store.bucket_named(request.bucket_name) if request.bucket_name else None
    wanted = request.bucket_id or (named.id if named else None)
    caller.key.require("listBuckets", wanted)
    if request.bucket_name and named is None:
        return {"buckets": []}
    found = [bucket for bucket in service.store.buckets() if wanted in (None, bucket.id)]
    return {"buckets": [bucket_json(service.keys.account_id, bucket) for bucket in found]}


def create_bucket(service: Service, caller: Caller, request: CreateBucket) -> Answer:
    _own_account(service, request.account_id)
    caller.key.require("writeBuckets")
    bucket = service.store.create_bucket(request.bucket_name, request.bucket_type)
    return bucket_json(service.keys.account_id, bucket)


def delete_bucket(service: Service, caller: Caller, request: BucketOnly) -> Answer:
    caller.key.require("deleteBuckets", request.bucket_id)
    return bucket_json(service.keys.account_id, service.store.delete_bucket(request.bucket_id))


def list_file_names(service: Service, caller: Caller, request: ListNames) -> Answer:
    caller.key.require("listFiles", request.bucket_id, request.prefix or "")
    page = listing.names(
        service.store,
        request.bucket_id,
        start=request.start_file_name or "",
        count=request.max_file_count,
        prefix=request.prefix or "",
        delimiter=request.delimiter or "",
    )
    return {"files": _entries(service, caller, request, page), "nextFileName": page.next_name}


def list_file_versions(service: Service, caller: Caller, request: ListNames) -> Answer:
    caller.key.require("listFiles", request.bucket_id, request.prefix or "")
    if request.start_file_id and not request.start_file_name:
        raise bad_request("startFileName must be set if startFileId is set")
    page = listing.versions(
        service.store,
        request.bucket_id,
        start=request.start_file_name or "",
        start_id=request.start_file_id,
        count=request.max_file_count,
        prefix=request.prefix or "",
        delimiter=request.delimiter or "",
    )
    return {
        "files": _entries(service, caller, request, page),
        "nextFileName": page.next_name,
        "nextFileId": page.next_id,
    }


def get_file_info(service: Service, caller: Caller, request: FileOnly) -> Answer:
    version = service.store.version(request.file_id)
    caller.key.require("readFiles", version.bucket_id, version.name)
    return entry_json(service.keys.account_id, caller.version, version.bucket_id, version)


def get_upload_url(service: Service, caller: Caller, request: BucketOnly) -> Answer:
    prefix = caller.key.prefix or ""
    caller.key.require("writeFiles", request.bucket_id, prefix)
    service.store.bucket(request.bucket_id)
    return {
        "bucketId": request.bucket_id,
        "uploadUrl": f"{caller.upload_base}/b2api/v{caller.version}/b2_upload_file"
        f"/{request.bucket_id}/c000_v0001000_t0000",
        "authorizationToken": service.keys.narrow(
            caller.key, "writeFiles", request.bucket_id, prefix
        ),
    }


def hide_file(service: Service, caller: Caller, request: HideFile) -> Answer:
    caller.key.require("writeFiles", request.bucket_id, request.file_name)
    version = service.store.hide(request.bucket_id, check_file_name(request.file_name))
    return entry_json(service.keys.account_id, caller.version, request.bucket_id, version)


def delete_file_version(service: Service, caller: Caller, request: DeleteVersion) -> Answer:
    bucket_id = _bucket_of(request.file_id)
    caller.key.require("deleteFiles", bucket_id, request.file_name)
    version = service.store.delete(request.file_id, request.file_name)
    return {"fileId": version.id, "fileName": version.name}


def get_download_authorization(service: Service, caller: Caller, request: ShareFiles) -> Answer:
    caller.key.require("shareFiles", request.bucket_id, request.file_name_prefix)
    token = service.keys.narrow(
        caller.key,
        "readFiles",
        request.bucket_id,
        request.file_name_prefix,
        request.valid_duration_in_seconds,
    )
    return {
        "bucketId": request.bucket_id,
        "fileNamePrefix": request.file_name_prefix,
        "authorizationToken": token,
    }


def create_key(service: Service, caller: Caller, request: CreateKey) -> Answer:
    _own_account(service, request.account_id)
    caller.key.require("writeKeys")
    unknown = sorted(set(request.capabilities) - set(CAPABILITIES))
    if unknown:
        raise bad_request("Invalid capability: " + unknown[0])
    if request.bucket_id:
        service.store.bucket(request.bucket_id)
    key = service.keys.create(
        request.key_name,
        tuple(request.capabilities),
        request.bucket_id,
        request.name_prefix,
        since=caller.version,
    )
    return {**key_json(service.keys.account_id, key), "applicationKey": key.secret}


def list_keys(service: Service, caller: Caller, request: ListBuckets) -> Answer:
    _own_account(service, request.account_id)
    caller.key.require("listKeys")
    keys = [key_json(service.keys.account_id, key) for key in service.keys.all()]
    return {"keys": keys, "nextApplicationKeyId": None}


def delete_key(service: Service, caller: Caller, request: DeleteKey) -> Answer:
    caller.key.require("deleteKeys")
    return key_json(service.keys.account_id, service.keys.delete(request.application_key_id))


_Model = TypeVar("_Model", bound=Request)
Call = Callable[[Service, Caller, dict[str, object]], Answer]


def taking(model: type[_Model], function: Callable[[Service, Caller, _Model], Answer]) -> Call:
    """The call as a function of the JSON that it is asked with."""
    return lambda service, caller, body: function(service, caller, model.model_validate(body))


CALLS: dict[str, Call] = {
    "b2_list_buckets": taking(ListBuckets, list_buckets),
    "b2_create_bucket": taking(CreateBucket, create_bucket),
    "b2_delete_bucket": taking(BucketOnly, delete_bucket),
    "b2_list_file_names": taking(ListNames, list_file_names),
    "b2_list_file_versions": taking(ListNames, list_file_versions),
    "b2_get_file_info": taking(FileOnly, get_file_info),
    "b2_get_upload_url": taking(BucketOnly, get_upload_url),
    "b2_hide_file": taking(HideFile, hide_file),
    "b2_delete_file_version": taking(DeleteVersion, delete_file_version),
    "b2_get_download_authorization": taking(ShareFiles, get_download_authorization),
    "b2_create_key": taking(CreateKey, create_key),
    "b2_list_keys": taking(ListBuckets, list_keys),
    "b2_delete_key": taking(DeleteKey, delete_key),
}


def _entries(service: Service, caller: Caller, request: ListNames, page: Page) -> list[Answer]:
    return [
        entry_json(service.keys.account_id, caller.version, request.bucket_id, entry)
        for entry in page.entries
    ]


def _own_account(service: Service, account_id: str) -> None:
    if account_id != service.keys.account_id:
        raise unauthorized()


def _bucket_of(file_id: str) -> str | None:
    found = re.match(r"4_z([0-9a-f]+)_", file_id)
    return found[1] if found else None
