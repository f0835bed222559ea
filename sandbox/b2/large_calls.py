"""The calls for large files. Their parts' bytes come by upload.py."""

from __future__ import annotations

from sandbox.b2 import large
from sandbox.b2.calls import Call, Caller, Service, taking
from sandbox.b2.names import check_file_name
from sandbox.b2.requests import (
    FileOnly,
    FinishLargeFile,
    ListParts,
    ListUnfinished,
    StartLargeFile,
)
from sandbox.b2.shapes import Answer, entry_json, part_json
from sandbox.b2.store import Version
from sandbox.b2.upload import content_type


def start_large_file(service: Service, caller: Caller, request: StartLargeFile) -> Answer:
    name = check_file_name(request.file_name)
    caller.key.require("writeFiles", request.bucket_id, name)
    started = service.store.start(
        request.bucket_id, name, content_type(request.content_type, name), request.file_info or {}
    )
    return _entry(service, caller, started)


def get_upload_part_url(service: Service, caller: Caller, request: FileOnly) -> Answer:
    started = writable(service, caller, request.file_id)
    return {
        "fileId": started.id,
        "uploadUrl": f"{caller.upload_base}/b2api/v{caller.version}/b2_upload_part/{started.id}/0000",
        "authorizationToken": service.keys.narrow(
            caller.key, "writeFiles", started.bucket_id, started.name
        ),
    }


def list_parts(service: Service, caller: Caller, request: ListParts) -> Answer:
    started = writable(service, caller, request.file_id)
    found = [
        part
        for part in large.parts(service.store, started)
        if part.number >= request.start_part_number
    ]
    page, rest = found[: request.max_part_count], found[request.max_part_count :]
    return {
        "parts": [part_json(started.id, part) for part in page],
        "nextPartNumber": rest[0].number if rest else None,
    }


def list_unfinished_large_files(
    service: Service, caller: Caller, request: ListUnfinished
) -> Answer:
    prefix = request.name_prefix or ""
    caller.key.require("listFiles", request.bucket_id, prefix)
    found = [v for v in service.store.unfinished(request.bucket_id) if v.name.startswith(prefix)]
    ids = [version.id for version in found]
    first = ids.index(request.start_file_id) if request.start_file_id in ids else 0
    last = first + request.max_file_count
    return {
        "files": [_entry(service, caller, version) for version in found[first:last]],
        "nextFileId": ids[last] if last < len(ids) else None,
    }


def finish_large_file(service: Service, caller: Caller, request: FinishLargeFile) -> Answer:
    started = writable(service, caller, request.file_id)
    return _entry(service, caller, large.finish(service.store, started, request.part_sha1_array))


def cancel_large_file(service: Service, caller: Caller, request: FileOnly) -> Answer:
    started = writable(service, caller, request.file_id)
    service.store.delete(started.id, started.name)
    return {
        "accountId": service.keys.account_id,
        "bucketId": started.bucket_id,
        "fileId": started.id,
        "fileName": started.name,
    }


LARGE_CALLS: dict[str, Call] = {
    "b2_start_large_file": taking(StartLargeFile, start_large_file),
    "b2_get_upload_part_url": taking(FileOnly, get_upload_part_url),
    "b2_list_parts": taking(ListParts, list_parts),
    "b2_list_unfinished_large_files": taking(ListUnfinished, list_unfinished_large_files),
    "b2_finish_large_file": taking(FinishLargeFile, finish_large_file),
    "b2_cancel_large_file": taking(FileOnly, cancel_large_file),
}


def writable(service: Service, caller: Caller, file_id: str) -> Version:
    """A large file that the caller may add to. Raises B2Error for any other."""
    started = service.store.active(file_id)
    caller.key.require("writeFiles", started.bucket_id, started.name)
    return started


def _entry(service: Service, caller: Caller, version: Version) -> Answer:
    return entry_json(service.keys.account_id, caller.version, version.bucket_id, version)
