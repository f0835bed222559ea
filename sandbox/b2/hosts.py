"""The service's own URLs: B2's names for those who came by B2's name, else the URL they came by."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

NAMES = (
    "api.backblazeb2.com",
    "api000.backblazeb2.com",
    "f000.backblazeb2.com",
    "pod-000-1000-00.backblaze.com",
)


@dataclass(frozen=True)
class Hosts:
    """Where to call, upload and download; no slash at the end."""

    api: str
    upload: str
    download: str


def hosts_for(request: Request) -> Hosts:
    """A test on a port of its own is sent back to that port."""
    if request.url.hostname in NAMES:
        _, api, download, upload = (f"https://{name}" for name in NAMES)
        return Hosts(api, upload, download)
    own = str(request.base_url).rstrip("/")
    return Hosts(own, own, own)
