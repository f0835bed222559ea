"""The few sites of the internet that a machine fetches files from: a folder for each of them."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Host, Mount
from starlette.staticfiles import StaticFiles


def create_app(directory: Path, names: tuple[str, ...]) -> Starlette:
    """Serves `directory/NAME/PATH` as https://NAME/PATH. Links are followed, wherever they lead."""
    routes = []
    for name in names:
        (directory / name).mkdir(parents=True, exist_ok=True)
        files = StaticFiles(directory=directory / name, follow_symlink=True)
        routes.append(Host(name, Starlette(routes=[Mount("/", files)])))
    return Starlette(routes=routes)
