"""B2's errors: a status and {status, code, message} as JSON."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class B2Error(Exception):
    """What the service answers when it does not do as asked."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    def response(self, headers: dict[str, str] | None = None) -> Response:
        body = {"status": self.status, "code": self.code, "message": self.message}
        return JSONResponse(body, self.status, headers)


def bad_request(message: str) -> B2Error:
    return B2Error(400, "bad_request", message)


def unauthorized() -> B2Error:
    """A wrong key, or one that may not do this. The real service does not say which either."""
    return B2Error(401, "unauthorized")


async def handle(_request: Request, error: Exception) -> Response:
    """The exception handler for B2Error."""
    if not isinstance(error, B2Error):
        raise error
    return error.response()
