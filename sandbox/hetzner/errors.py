"""The API's errors: a code, the HTTP status that belongs to it, and details that are always there.

`details` is never left out: the hcloud provider panics on an `invalid_input` without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

STATUS: Final[Mapping[str, int]] = {
    "json_error": 400,
    "unauthorized": 401,
    "token_readonly": 401,
    "forbidden": 403,
    "maintenance": 403,
    "resource_limit_exceeded": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "uniqueness_error": 409,
    "conflict": 409,
    "deprecated_api_endpoint": 410,
    "primary_ip_version_mismatch": 412,
    "resource_unavailable": 412,
    "invalid_input": 422,
    "service_error": 422,
    "unsupported_error": 422,
    "resource_in_use": 422,
    "must_be_unassigned": 422,
    "server_not_stopped": 422,
    "server_has_ipv4": 422,
    "server_has_ipv6": 422,
    "invalid_server_type": 422,
    "primary_ip_already_assigned": 422,
    "primary_ip_assigned": 422,
    "primary_ip_datacenter_mismatch": 422,
    "firewall_already_applied": 422,
    "firewall_resource_not_found": 422,
    "server_already_added": 422,
    "incorrect_zone_mode": 422,
    "locked": 423,
    "protected": 423,
    "rate_limit_exceeded": 429,
    "server_error": 500,
    "bad_gateway": 502,
    "unavailable": 503,
    "timeout": 504,
}


class ApiError(Exception):
    """An answer that is an error. Its status follows from its code."""

    def __init__(
        self, code: str, message: str, details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = STATUS[code]
        self.message = message
        self.details: Mapping[str, object] = details or {}

    def payload(self) -> dict[str, object]:
        """The body of the answer."""
        error = {"code": self.code, "message": self.message, "details": self.details}
        return {"error": error}


def invalid(field: str, message: str) -> ApiError:
    """A field of the request that cannot be accepted."""
    return invalid_fields({field: [message]})


def invalid_fields(fields: Mapping[str, list[str]]) -> ApiError:
    """Several fields that cannot be accepted, each with its messages."""
    names = ", ".join(repr(name) for name in fields)
    listed = [{"name": name, "messages": messages} for name, messages in fields.items()]
    return ApiError("invalid_input", f"invalid input in field {names}", {"fields": listed})


def not_found(kind: str, key: object) -> ApiError:
    """No object of this kind has this id or name."""
    return ApiError("not_found", f"{kind} with ID or name '{key}' not found")


def not_unique(field: str, message: str) -> ApiError:
    """Another object has this value already."""
    return ApiError("uniqueness_error", message, {"fields": [{"name": field}]})


def protected(kind: str, what: str) -> ApiError:
    """The object is protected against what was asked."""
    return ApiError("protected", f"{kind} {what} is protected")
