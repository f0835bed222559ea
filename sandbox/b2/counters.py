"""What the stand-in was asked for, and how much it sent: what Backblaze would put on the bill."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# https://www.backblaze.com/b2/b2-transactions-price.html; every call that is not named there is of class A.
_CLASSES = {
    "b2_download_file_by_id": "B",
    "b2_download_file_by_name": "B",
    "b2_get_file_info": "B",
    "b2_authorize_account": "C",
    "b2_copy_file": "C",
    "b2_copy_part": "C",
    "b2_create_bucket": "C",
    "b2_create_key": "C",
    "b2_get_download_authorization": "C",
    "b2_list_buckets": "C",
    "b2_list_file_names": "C",
    "b2_list_file_versions": "C",
    "b2_list_keys": "C",
    "b2_list_parts": "C",
    "b2_list_unfinished_large_files": "C",
    "b2_update_bucket": "C",
}


@dataclass
class Counts:
    """Calls that succeeded, by name, and the bytes of all answers' bodies."""

    calls: Counter[str] = field(default_factory=Counter)
    sent: int = 0

    def of_class(self, letter: str) -> int:
        """The number of transactions of class A, B or C."""
        return sum(n for name, n in self.calls.items() if class_of(name) == letter)


class Counted:
    """An application with its counts, which may be put back to zero at any time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.counts = Counts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                self.counts.calls[call_of(scope["path"])] += 1
            self.counts.sent += len(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, counting)


def class_of(call: str) -> str:
    """A, B or C."""
    return _CLASSES.get(call, "A")


def call_of(path: str) -> str:
    """The call that a request's path stands for."""
    if path.startswith("/file/"):
        return "b2_download_file_by_name"
    return next((part for part in path.split("/") if part.startswith("b2_")), path)
