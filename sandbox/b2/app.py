"""The ASGI application: every name of the service is this one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.b2 import authorize, download, upload
from sandbox.b2.calls import CALLS, Caller, Service
from sandbox.b2.copy_calls import COPY_CALLS
from sandbox.b2.errors import B2Error, bad_request, handle
from sandbox.b2.hosts import hosts_for
from sandbox.b2.keys import Key, KeyRing
from sandbox.b2.large_calls import LARGE_CALLS
from sandbox.b2.shapes import entry_json, part_json
from sandbox.b2.store import Store

_CALLS = CALLS | LARGE_CALLS | COPY_CALLS


def create_app(directory: Path) -> Starlette:
    """The service, with its keys and files in `directory`, which is made if need be.

    `app.state.service` is what the calls work on, for one who needs a bucket and a key to begin with.
    """
    service = Service(Store(directory / "buckets"), KeyRing(directory / "keys.json"))
    routes = [
        Route("/b2api/v{version:int}/b2_authorize_account", _authorize, methods=["GET", "POST"]),
        Route("/b2api/v{version:int}/b2_upload_file/{bucket}/{pod}", _upload, methods=["POST"]),
        Route("/b2api/v{version:int}/b2_upload_part/{file}/{pod}", _upload_part, methods=["POST"]),
        Route("/b2api/v{version:int}/b2_download_file_by_id", _by_id, methods=["GET", "POST"]),
        Route("/b2api/v{version:int}/{call}", _call, methods=["GET", "POST"]),
        Route("/file/{bucket}/{name:path}", _by_name, methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers={B2Error: handle})
    app.state.service = service
    app.state.uploading = set()
    return app


async def _authorize(request: Request) -> Response:
    service, version = _service(request), _version(request)
    key_id, secret = authorize.credentials(request.headers.get("authorization"))
    key, token = service.keys.authorize(key_id, secret, version)
    return JSONResponse(
        authorize.answer(service.store, service.keys, key, token, hosts_for(request), version)
    )


async def _call(request: Request) -> Response:
    call = _CALLS.get(request.path_params["call"])
    if call is None:
        raise bad_request(f"Unknown or unsupported call: {request.path_params['call']}")
    caller, body = _caller(request), await _body(request)
    try:
        return JSONResponse(call(_service(request), caller, body))
    except ValidationError as error:
        fault = error.errors()[0]
        raise bad_request(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error


async def _upload(request: Request) -> Response:
    service, caller = _service(request), _caller(request)
    bucket_id = request.path_params["bucket"]
    with _alone(request):
        version = await upload.receive(
            service.store, caller.key, bucket_id, request.headers, request.stream()
        )
    return JSONResponse(entry_json(service.keys.account_id, caller.version, bucket_id, version))


async def _upload_part(request: Request) -> Response:
    service, caller = _service(request), _caller(request)
    file_id = request.path_params["file"]
    with _alone(request):
        part = await upload.receive_part(
            service.store, caller.key, file_id, request.headers, request.stream()
        )
    return JSONResponse(part_json(file_id, part))


@contextmanager
def _alone(request: Request) -> Iterator[None]:
    """One upload at a time by each URL's token. Raises B2Error for another one."""
    uploading: set[str] = request.app.state.uploading
    token = request.headers["authorization"]
    if token in uploading:
        raise B2Error(400, "auth_token_limit", f"more than one upload using auth token {token}")
    uploading.add(token)
    try:
        yield
    finally:
        uploading.remove(token)


async def _by_id(request: Request) -> Response:
    service = _service(request)
    version = service.store.version(str((await _body(request)).get("fileId")))
    if service.store.bucket(version.bucket_id).type != "allPublic":
        _key(request).require("readFiles", version.bucket_id, version.name)
    return download.respond(service.store, version, request.headers.get("range"))


async def _by_name(request: Request) -> Response:
    service, name = _service(request), request.path_params["name"]
    bucket = service.store.bucket_named(request.path_params["bucket"])
    if bucket is None or bucket.type != "allPublic":
        _key(request).require("readFiles", bucket.id if bucket else None, name)
    version = service.store.current(bucket.id, name) if bucket else None
    if version is None:
        raise B2Error(404, "not_found", f"File with such name does not exist: {name}")
    return download.respond(service.store, version, request.headers.get("range"))


async def _body(request: Request) -> dict[str, object]:
    """What a call is asked with: JSON, or without POST the query."""
    if request.method != "POST":
        return dict(request.query_params)
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise bad_request("The body is not JSON") from error
    if not isinstance(body, dict):
        raise bad_request("The body is not a JSON object")
    return body


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _version(request: Request) -> int:
    version = int(request.path_params["version"])
    if version not in (1, 2, 3, 4):
        raise bad_request(f"Invalid API version: v{version}")
    return version


def _key(request: Request) -> Key:
    token = request.headers.get("authorization") or request.query_params.get("Authorization")
    return _service(request).keys.key_of(token)


def _caller(request: Request) -> Caller:
    return Caller(_key(request), _version(request), hosts_for(request).upload)
