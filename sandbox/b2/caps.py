"""The account's caps: what its owner may spend in a day, and how B2 refuses what goes beyond."""

from __future__ import annotations

from typing import Literal

from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.b2.counters import call_of, class_of
from sandbox.b2.errors import B2Error

Cap = Literal["download", "B", "C", "storage"]

_DOWNLOADS = {"b2_download_file_by_id", "b2_download_file_by_name"}
_STORES = {"b2_upload_file", "b2_upload_part", "b2_copy_file", "b2_copy_part"}


class Capped:
    """An application with an account some of whose caps are reached; `reached` may be changed at any time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.reached: frozenset[Cap] = frozenset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(call_of(scope["path"]))
        app = refusal.response() if refusal else self._app
        await app(scope, receive, send)

    def _refusal(self, call: str) -> B2Error | None:
        if call in _DOWNLOADS and self.reached & {"download", "B"}:
            return B2Error(
                403,
                "download_cap_exceeded",
                "Cannot download file, download bandwidth or transaction (Class B) cap exceeded."
                " See the Caps & Alerts page to increase your cap.",
            )
        if class_of(call) in self.reached:
            return B2Error(
                403,
                "transaction_cap_exceeded",
                "Transaction cap exceeded, see the Caps & Alerts page to increase your cap",
            )
        if call in _STORES and "storage" in self.reached:
            return B2Error(
                403,
                "storage_cap_exceeded",
                "Cannot upload files, storage cap exceeded. See the Caps & Alerts page to increase your cap.",
            )
        return None
