"""Lists: filtered by name and label, sorted, cut into pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .errors import invalid
from .labels import selector

T = TypeVar("T")
SortKey = Callable[[T], str | int]

_DEFAULT_PER_PAGE = 25
_MAX_PER_PAGE = 50


def chosen(
    request: Request,
    items: Iterable[T],
    *,
    name: Callable[[T], str],
    labels: Callable[[T], Mapping[str, str]] | None = None,
) -> list[T]:
    """The items that the request's `name` and `label_selector` ask for."""
    wanted = request.query_params.get("name")
    rows = [item for item in items if wanted is None or name(item) == wanted]
    if labels is not None and (text := request.query_params.get("label_selector")):
        fits = selector(text)
        rows = [row for row in rows if fits(labels(row))]
    return rows


def page(
    request: Request,
    key: str,
    items: Sequence[T],
    render: Callable[[T], Mapping[str, object]],
    sort_keys: Mapping[str, SortKey[T]],
) -> Response:
    """One page of a list, with `meta.pagination` and a `Link` header."""
    rows = _sorted(request, items, sort_keys)
    number = _positive(request, "page", 1)
    size = min(_positive(request, "per_page", _DEFAULT_PER_PAGE), _MAX_PER_PAGE)
    last = max(1, -(-len(rows) // size))
    pagination: dict[str, int | None] = {
        "page": number,
        "per_page": size,
        "previous_page": number - 1 if number > 1 else None,
        "next_page": number + 1 if number < last else None,
        "last_page": last,
        "total_entries": len(rows),
    }
    shown = rows[(number - 1) * size : number * size]
    body = {key: [render(row) for row in shown], "meta": {"pagination": pagination}}
    return JSONResponse(body, headers={"Link": _links(request, pagination)})


def _sorted(request: Request, items: Sequence[T], sort_keys: Mapping[str, SortKey[T]]) -> list[T]:
    rows = list(items)
    # Sorting is stable, so the first key asked for is applied last.
    for wanted in reversed(request.query_params.getlist("sort")):
        field, _, direction = wanted.partition(":")
        if field not in sort_keys or direction not in ("", "asc", "desc"):
            raise invalid("sort", f"cannot sort by '{wanted}'")
        rows.sort(key=sort_keys[field], reverse=direction == "desc")
    return rows


def _positive(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise invalid(name, f"must be a positive integer, not '{text}'")
    return int(text)


def _links(request: Request, pagination: Mapping[str, int | None]) -> str:
    relations = {"prev": "previous_page", "next": "next_page", "last": "last_page"}
    links = []
    for relation, field in relations.items():
        if (number := pagination[field]) is not None:
            others = [pair for pair in request.query_params.multi_items() if pair[0] != "page"]
            query = urlencode([*others, ("page", str(number))])
            links.append(f'<{request.url.replace(query=query)}>; rel="{relation}"')
    return ", ".join(links)
