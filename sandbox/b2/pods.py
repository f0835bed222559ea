"""The machines that uploads go to. An upload URL is good until one of them says that it has no time."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.b2.counters import call_of
from sandbox.b2.errors import B2Error

_UPLOADS = {"b2_upload_file", "b2_upload_part"}


class Pods:
    """An application whose next uploads are refused, `busy` of them: another URL is to be asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.busy = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if self.busy and call_of(scope["path"]) in _UPLOADS:
            self.busy -= 1
            app = B2Error(503, "service_unavailable", "no tomes available").response()
        await app(scope, receive, send)
