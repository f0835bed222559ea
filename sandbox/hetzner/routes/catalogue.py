"""GET /locations, /server_types, /images and /pricing: what can be ordered, and for how much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import pricing
from ..catalogue import (
    IMAGES,
    LOCATIONS,
    SERVER_TYPES,
    Deprecation,
    Image,
    Location,
    ServerType,
)
from ..errors import ApiError, invalid, not_found
from ..listing import SortKey, chosen, page


class _Entry(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...


E = TypeVar("E", bound=_Entry)


def render_location(location: Location) -> dict[str, object]:
    """A location as clients see it."""
    return {
        "id": location.id,
        "name": location.name,
        "description": location.description,
        "country": location.country,
        "city": location.city,
        "latitude": location.latitude,
        "longitude": location.longitude,
        "network_zone": location.network_zone,
    }


def render_server_type(kind: ServerType) -> dict[str, object]:
    """A server type as clients see it."""
    ends = [kind.ends.get(name) for name in kind.offered]
    everywhere = _deprecation(ends[0]) if all(ends) else None
    return {
        "id": kind.id,
        "name": kind.name,
        "description": kind.name.upper(),
        "category": kind.category,
        "cores": kind.cores,
        "memory": kind.memory,
        "disk": kind.disk,
        "prices": pricing.of_server_type(kind),
        "storage_type": "local",
        "cpu_type": "shared",
        "architecture": kind.architecture,
        "deprecated": everywhere is not None,
        "deprecation": everywhere,
        "locations": [_offer(kind, place) for place in LOCATIONS if place.name in kind.offered],
    }


def _offer(kind: ServerType, location: Location) -> dict[str, object]:
    available = not_orderable(kind, location.name) is None
    return {
        "id": location.id,
        "name": location.name,
        "deprecation": _deprecation(kind.ends.get(location.name)),
        "available": available,
        "recommended": available,
    }


def not_orderable(kind: ServerType, location: str) -> ApiError | None:
    """Why a server of this type cannot be had in a location, or None if it can."""
    if location not in kind.offered:
        return invalid("location", f"server type {kind.name} is not offered in {location}")
    if (end := kind.ends.get(location)) and end.over():
        return invalid("server_type", f"server type {kind.name} can no longer be ordered")
    if location in kind.sold_out:
        message = f"server type {kind.name} is not available in {location} at present"
        return ApiError("resource_unavailable", message)
    return None


def _deprecation(deprecation: Deprecation | None) -> dict[str, str] | None:
    if deprecation is None:
        return None
    return {
        "announced": deprecation.announced,
        "unavailable_after": deprecation.unavailable_after,
    }


def render_image(image: Image) -> dict[str, object]:
    """An image as clients see it."""
    return {
        "id": image.id,
        "type": "system",
        "status": "available",
        "name": image.name,
        "description": image.description,
        "image_size": None,
        "disk_size": 5,
        "created": "2024-04-25T13:26:27Z",
        "created_from": None,
        "bound_to": None,
        "os_flavor": image.flavor,
        "os_version": image.version,
        "rapid_deploy": True,
        "protection": {"delete": False},
        "deprecated": image.deprecated,
        "deleted": None,
        "labels": {},
        "architecture": image.architecture,
    }


def _any(_request: Request, _entry: object) -> bool:
    return True


def _fitting(request: Request, image: Image) -> bool:
    asked = request.query_params
    values = {"architecture": image.architecture, "type": "system", "status": "available"}
    return (
        all(value in (asked.getlist(name) or [value]) for name, value in values.items())
        and "bound_to" not in asked
        and (image.deprecated is None or asked.get("include_deprecated") == "true")
    )


def _routes(
    plural: str,
    singular: str,
    entries: Sequence[E],
    render: Callable[[E], dict[str, object]],
    keep: Callable[[Request, E], bool] = _any,
) -> list[Route]:
    async def listed(request: Request) -> Response:
        kept = [entry for entry in entries if keep(request, entry)]
        rows = chosen(request, kept, name=lambda entry: entry.name, labels=lambda _entry: {})
        sort_keys: dict[str, SortKey[E]] = {
            "id": lambda entry: entry.id,
            "name": lambda entry: entry.name,
        }
        return page(request, plural, rows, render, sort_keys)

    async def one(request: Request) -> Response:
        number = int(request.path_params["id"])
        for entry in entries:
            if entry.id == number:
                return JSONResponse({singular: render(entry)})
        raise not_found(singular, number)

    return [Route(f"/{plural}", listed), Route(f"/{plural}/{{id:int}}", one)]


async def prices(_request: Request) -> Response:
    """GET /pricing"""
    return JSONResponse({"pricing": pricing.all_prices()})


routes = [
    *_routes("locations", "location", LOCATIONS, render_location),
    *_routes("server_types", "server_type", SERVER_TYPES, render_server_type),
    *_routes("images", "image", IMAGES, render_image, _fitting),
    Route("/pricing", prices),
]
