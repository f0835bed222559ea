"""The calls that copy on the server."""

from __future__ import annotations

from dataclasses import replace

from sandbox.b2 import large
from sandbox.b2.calls import Call, Caller, Service, taking
from sandbox.b2.copies import copied
from sandbox.b2.errors import B2Error, bad_request
from sandbox.b2.large_calls import writable
from sandbox.b2.names import check_file_name
from sandbox.b2.requests import CopyFile, CopyPart
from sandbox.b2.shapes import Answer, entry_json, part_json
from sandbox.b2.store import Version
from sandbox.b2.upload import content_type


def copy_file(service: Service, caller: Caller, request: CopyFile) -> Answer:
    source = _source(service, caller, request.source_file_id)
    name = check_file_name(request.file_name)
    bucket_id = request.destination_bucket_id or source.bucket_id
    caller.key.require("writeFiles", bucket_id, name)
    service.store.bucket(bucket_id)
    kind, info = _metadata(request, source)
    with copied(service.store, source, request.range, bucket_id) as (path, size, sha1):
        copy = service.store.upload(
            bucket_id, name, path, size=size, sha1=sha1, content_type=kind, info=info
        )
    # Only this answer says so; a listing calls it an upload.
    told = replace(copy, action="copy")
    return entry_json(service.keys.account_id, caller.version, bucket_id, told)


def copy_part(service: Service, caller: Caller, request: CopyPart) -> Answer:
    source = _source(service, caller, request.source_file_id)
    started = writable(service, caller, request.large_file_id)
    number = large.part_number(str(request.part_number))
    with copied(service.store, source, request.range, started.bucket_id) as (path, _, sha1):
        return part_json(started.id, large.add_part(service.store, started.id, number, path, sha1))


COPY_CALLS: dict[str, Call] = {
    "b2_copy_file": taking(CopyFile, copy_file),
    "b2_copy_part": taking(CopyPart, copy_part),
}


def _source(service: Service, caller: Caller, file_id: str) -> Version:
    source = service.store.version(file_id)
    if service.store.bucket(source.bucket_id).type != "allPublic":
        caller.key.require("readFiles", source.bucket_id, source.name)
    if source.action != "upload":
        raise B2Error(404, "not_found", f"Not a file: {file_id}")
    return source


def _metadata(request: CopyFile, source: Version) -> tuple[str, dict[str, str]]:
    """The copy's type and info. Raises B2Error for a mixture of the source's and new ones."""
    if request.metadata_directive == "REPLACE":
        if request.content_type is None:
            raise bad_request("contentType is required if metadataDirective is REPLACE")
        return content_type(request.content_type, request.file_name), request.file_info or {}
    if request.content_type is not None or request.file_info is not None:
        raise bad_request("metadataDirective COPY takes neither contentType nor fileInfo")
    return source.content_type or "", source.info
