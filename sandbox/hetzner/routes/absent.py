"""What the API has and this project never uses: there is none of it, and none can be made."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..errors import ApiError
from ..listing import page

_KINDS = (
    "certificates",
    "floating_ips",
    "load_balancers",
    "networks",
    "placement_groups",
    "volumes",
)


def _list(plural: str) -> Route:
    async def listed(request: Request) -> Response:
        return page(request, plural, [], lambda _row: {}, {})

    return Route(f"/{plural}", listed)


async def gone(_request: Request) -> Response:
    """GET /datacenters, which was removed from the API in October 2026."""
    raise ApiError("deprecated_api_endpoint", "datacenters were removed, use locations")


routes = [
    *(_list(plural) for plural in _KINDS),
    Route("/datacenters", gone),
    Route("/datacenters/{id:int}", gone),
]
