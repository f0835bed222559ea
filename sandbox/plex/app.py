"""The server on port 32400, as an ASGI application."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from . import library, visitor
from .database import Database
from .preferences import Preferences

_WEB = """<!doctype html><meta charset="utf-8"><title>Plex stand-in</title>
<p>This stands in for Plex Media Server. Claim it with
<code>curl -X POST 'http://127.0.0.1:32400/myplex/claim?token=claim-…'</code> and any 20 letters.
"""


class Maintenance:
    """Middleware: as long as the database is being migrated, every answer is 503."""

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self._app = app
        self._database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._database.ready:
            await self._app(scope, receive, send)
        else:
            answer = PlainTextResponse("The database is being migrated.\n", 503)
            await answer(scope, receive, send)


def create_app(preferences: Preferences, media: Path, database: Database) -> Starlette:
    """The server of these preferences and this database, which sees the files under `media`."""

    # Functions without `async` run in threads, so a mount that stalls stalls its own visitor alone.
    def identity(_request: Request) -> Response:
        claimed = "1" if preferences.token else "0"
        return _xml(_container(size="0", claimed=claimed))

    def root(_request: Request) -> Response:
        return _xml(_container(size="0", friendlyName="stand-in"))

    def _container(**attributes: str) -> ElementTree.Element:
        return ElementTree.Element(
            "MediaContainer",
            attributes,
            apiVersion="1.1.1",
            machineIdentifier=preferences.identifier,
            version=database.version,
        )

    def claim(request: Request) -> Response:
        if not visitor.is_at_the_machine(request):
            raise HTTPException(403, "A server is claimed from the machine that it runs on.")
        token = request.query_params.get("token", "")
        if not re.fullmatch(r"claim-(?!expired)[A-Za-z0-9_-]{20}", token):
            raise HTTPException(401, "That is no claim token, or an old one.")
        preferences.claim()
        return Response()

    def unclaim(_request: Request) -> Response:
        preferences.unclaim()
        return Response()

    def everything(_request: Request) -> Response:
        return _xml(library.listing(library.scan(media), database.views()))

    def refresh(_request: Request) -> Response:
        parts = library.scan(media)
        database.found((part.number, part.path.stem, str(part.path)) for part in parts)
        return Response()

    def scrobble(request: Request) -> Response:
        number = request.query_params.get("key", "")
        if not (number.isdecimal() and database.watched(int(number))):
            raise HTTPException(404)
        return Response()

    def part(request: Request) -> Response:
        number = request.path_params["number"]
        for one in library.scan(media):
            if one.number == number:
                return FileResponse(one.path, media_type="application/octet-stream")
        raise HTTPException(404)

    def for_owner(endpoint: Callable[[Request], Response]) -> Callable[[Request], Response]:
        """An endpoint for the owner; while there is none, for whoever looks local."""

        def guarded(request: Request) -> Response:
            token = preferences.token
            allowed = visitor.has_token(request, token) if token else visitor.looks_local(request)
            if not allowed:
                raise HTTPException(401)
            return endpoint(request)

        return guarded

    return Starlette(
        routes=[
            Route("/identity", identity),
            Route("/web", _web),
            Route("/web/index.html", _web),
            Route("/myplex/claim", claim, methods=["POST"]),
            Route("/myplex/account", for_owner(unclaim), methods=["DELETE"]),
            Route("/", for_owner(root)),
            Route("/library/all", for_owner(everything)),
            Route("/library/parts/{number:int}/file", for_owner(part)),
            Route("/library/sections/all/refresh", for_owner(refresh)),
            Route("/:/scrobble", for_owner(scrobble), methods=["GET", "PUT"]),
        ],
        middleware=[Middleware(Maintenance, database)],
        exception_handlers={HTTPException: _refusal, sqlite3.DatabaseError: _damaged},
    )


def _web(_request: Request) -> Response:
    return HTMLResponse(_WEB)


def _xml(element: ElementTree.Element) -> Response:
    text = ElementTree.tostring(element, encoding="utf-8", xml_declaration=True)
    return Response(text, media_type="text/xml; charset=utf-8", headers={"X-Plex-Protocol": "1.0"})


def _refusal(_request: Request, error: Any) -> Response:
    return PlainTextResponse(f"{error.detail}\n", error.status_code)


def _damaged(_request: Request, error: Exception) -> Response:
    print(f"plexmediaserver: {error}", file=sys.stderr, flush=True)
    return PlainTextResponse("Internal Server Error\n", 500)
