"""The few sites of the internet that a machine fetches files from: a folder for each of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Host, Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox.world.addresses import CHANNELS_NAME


def create_app(directory: Path, names: tuple[str, ...]) -> Starlette:
    """Serves `directory/NAME/PATH` as https://NAME/PATH. Links are followed, wherever they lead.

    A channel has no files of its own: it leads to its newest release.
    """
    routes = []
    for name in names:
        (directory / name).mkdir(parents=True, exist_ok=True)
        files = StaticFiles(directory=directory / name, follow_symlink=True)
        routes.append(Host(name, Starlette(routes=[Mount("/", files)])))
    channel = Route("/nixos-{line}/{file}", partial(_newest, directory / "releases.nixos.org"))
    return Starlette(routes=[Host(CHANNELS_NAME, Starlette(routes=[channel])), *routes])


def _newest(releases: Path, request: Request) -> RedirectResponse:
    line, file = request.path_params["line"], request.path_params["file"]
    found = sorted(
        (releases / "nixos" / line).glob(f"nixos-{line}.*.*"),
        key=lambda release: int(release.name.split(".")[2]),
    )
    if not found:
        raise HTTPException(404)
    return RedirectResponse(f"https://releases.nixos.org/nixos/{line}/{found[-1].name}/{file}", 302)
