"""What NixOS's channels and GitHub have to fetch, and its hashes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from tempfile import TemporaryFile
from typing import BinaryIO

import requests
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from components.nar import NarError, tree_hash
from components.support import successor

_CHANNEL = "https://channels.nixos.org/nixos-{release}/nixexprs.tar.xz"
_GITHUB = "https://github.com"
_GITHUB_API = "https://api.github.com"
_SECONDS = 60
_BLOCK = 1 << 20


class UpstreamError(Exception):
    """Something cannot be had, or is not what it should be. The message is a sentence."""


class NotOutError(UpstreamError):
    """A release has not come out, as far as its channel shows."""


def newest_release(known: Iterable[str]) -> tuple[str, str]:
    """The newest release that has come out, and where its newest nixpkgs is.

    After the known ones, the channels are asked one by one.

    Args:
        known: releases to begin with, such as those that have a pin. One that has no channel is passed over.

    Raises:
        UpstreamError: a channel does not answer, or none of the known ones has come out.
    """
    for release in sorted(known, reverse=True):
        if url := _out(release):
            break
    else:
        raise UpstreamError(
            f"none of the releases with a pin ({', '.join(sorted(known))}) has a channel; name one that "
            "has: `make pins RELEASE=…`"
        )
    while newer := _out(successor(release)):
        release, url = successor(release), newer
    return release, url


def _out(release: str) -> str | None:
    """Where the newest nixpkgs of a release is; None if it has not come out."""
    try:
        return newest_nixpkgs(release)
    except NotOutError:
        return None


def newest_nixpkgs(release: str) -> str:
    """The immutable address that the channel of a release such as "26.05" leads to today.

    Raises:
        NotOutError: there is no such channel, or it has no release yet.
        UpstreamError: the channel does not answer.
    """
    channel = _CHANNEL.format(release=release)
    try:
        with requests.head(channel, allow_redirects=True, timeout=_SECONDS) as answer:
            if answer.status_code == requests.codes.not_found:
                raise NotOutError(f"NixOS {release} has no channel: nothing is at {channel}")
            answer.raise_for_status()
    except requests.RequestException as error:
        raise UpstreamError(f"{channel} cannot be looked up: {_why(error)}") from error
    if not re.search(
        rf"/nixos-{re.escape(release)}\.\d+\.[0-9a-f]+/nixexprs\.tar\.xz$", answer.url
    ):
        raise NotOutError(
            f"NixOS {release} has not come out yet: its channel leads to {answer.url}"
        )
    return answer.url


def nixpkgs_hash(url: str, console: Console) -> str:
    """The hash of the folder in a nixexprs.tar.xz, as `nix-hash --sri` prints it.

    Raises:
        UpstreamError: it cannot be fetched, or is none.
    """
    with TemporaryFile() as tarball:
        fetch(url, console, tarball)
        tarball.seek(0)
        try:
            return tree_hash(tarball)
        except NarError as error:
            raise UpstreamError(f"{url} is {error}") from error


def installer_hash(url: str, console: Console) -> str:
    """The SHA-256 of a file, in hexadecimal; it has to be the one that GitHub tells, where it tells one.

    Raises:
        UpstreamError: it cannot be fetched, or is not what GitHub says it is.
    """
    found = fetch(url, console)
    told = _told_by_github(url)
    if told is not None and told != found:
        raise UpstreamError(
            f"What was fetched has the sha256 {found}, but GitHub's API says {told}: somebody may have "
            "changed it on the way."
        )
    return found


def _told_by_github(url: str) -> str | None:
    """The `digest` of a release's file in GitHub's API; None where it does not answer with one."""
    parts = re.fullmatch(
        rf"{re.escape(_GITHUB)}/([^/]+/[^/]+)/releases/download/([^/]+)/([^/]+)", url
    )
    if parts is None:
        return None
    repository, tag, name = parts.groups()
    try:
        answer = requests.get(
            f"{_GITHUB_API}/repos/{repository}/releases/tags/{tag}", timeout=_SECONDS
        ).json()
        digests = {asset["name"]: asset.get("digest") for asset in answer["assets"]}
    except (requests.RequestException, KeyError, TypeError):
        return None
    kind, _, digest = str(digests.get(name)).partition(":")
    return digest if kind == "sha256" else None


def fetch(url: str, console: Console, into: BinaryIO | None = None) -> str:
    """Fetch a file, show how far it is, and return its SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    try:
        with (
            requests.get(url, stream=True, timeout=_SECONDS) as answer,
            Progress(*columns, console=console) as progress,
        ):
            answer.raise_for_status()
            size = answer.headers.get("Content-Length")
            task = progress.add_task("", total=int(size) if size else None)
            for block in answer.iter_content(_BLOCK):
                digest.update(block)
                if into is not None:
                    into.write(block)
                progress.advance(task, len(block))
    except requests.RequestException as error:
        raise UpstreamError(f"{url} cannot be fetched: {_why(error)}") from error
    return digest.hexdigest()


def _why(error: requests.RequestException) -> str:
    if isinstance(error, requests.HTTPError):
        return f"{error.response.status_code} {error.response.reason}"
    return f"no answer, or a broken one ({type(error).__name__})"
