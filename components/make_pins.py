"""Pin the newest nixpkgs of the newest stable NixOS release, or of RELEASE, and fill in the hashes that
nix/pins.json leaves open, all of it into nix/pins.local.json.

What is fetched now is what the stack's servers will be checked against: commit the file in your fork. A stack
stays on the release that its own file says.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import get_args

from rich.console import Console

from components import checks, pins, upstream
from components.architecture import Architecture

LOCAL = pins.PINS.with_name("pins.local.json")


class _Wanted(argparse.Namespace):
    architecture: Architecture
    release: str | None


def main(arguments: list[str], local: Path = LOCAL) -> None:
    """Fetch what has no hash yet, and write each into `local` as soon as it is known.

    Raises:
        SystemExit: with a sentence, where something cannot be fetched or is not what it should be.
    """
    wanted = _parse(arguments)
    console = Console(highlight=False, soft_wrap=True)
    try:
        if wanted.release:
            release, url = wanted.release, upstream.newest_nixpkgs(wanted.release)
        else:
            release, url = upstream.newest_release(pins.read(local).nixpkgs)
        written = _renew(release, url, local, console)
        written |= _fill(wanted.architecture, local, console)
    except (pins.PinsError, upstream.UpstreamError) as error:
        sys.exit(f"make pins: {error}")
    except KeyboardInterrupt:
        sys.exit("make pins: interrupted; run it again for the rest")
    if written:
        console.print(f"Written: {local}. Commit it in your fork.", markup=False)
    else:
        console.print(f"Nothing to do: all pins for {wanted.architecture} are filled in.")
    console.print(f"For a stack on NixOS {release}: pulumi config set nixosRelease {release}")


def _parse(arguments: list[str]) -> _Wanted:
    head, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="make pins",
        usage="make pins [ARCHITECTURE=aarch64] [RELEASE=26.11]",
        description=head,
        epilog=more,
    )
    parser.add_argument(
        "--architecture",
        choices=get_args(Architecture),
        default="x86_64",
        help="whose installer: aarch64 if the serverType begins with cax, else x86_64, the default",
    )
    parser.add_argument(
        "--release", type=_release, help="another than the newest one, such as 26.05"
    )
    return parser.parse_args(arguments, _Wanted())


def _release(text: str) -> str:
    try:
        return checks.release(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; got {text!r}") from error


def _renew(release: str, url: str, local: Path, console: Console) -> bool:
    """Pin the newest nixpkgs of a release, which is at `url`; whether anything was written."""
    known = pins.read(local).nixpkgs.get(release)
    if known is not None and known.url == url and known.sha256 is not None:
        console.print(f"nixpkgs {release}: {url.split('/')[-2]} is the newest, and pinned already")
        return False
    console.print(f"nixpkgs {release}: {url}")
    _write(local, "nixpkgs", release, url, upstream.nixpkgs_hash(url, console))
    return True


def _fill(architecture: Architecture, local: Path, console: Console) -> bool:
    """Fill in what an architecture's stacks need; whether anything was written."""
    known = pins.read(local)
    written = False
    installer = known.installer[architecture]
    if installer.sha256 is None:
        console.print(f"installer for {architecture}: {installer.url}")
        sha256 = upstream.installer_hash(installer.url, console)
        _write(local, "installer", architecture, installer.url, sha256)
        written = True
    for release, nixpkgs in known.nixpkgs.items():
        if nixpkgs.sha256 is None:
            console.print(f"nixpkgs {release}: {nixpkgs.url}")
            sha256 = upstream.nixpkgs_hash(nixpkgs.url, console)
            _write(local, "nixpkgs", release, nixpkgs.url, sha256)
            written = True
    return written


def _write(local: Path, kind: str, name: str, url: str, sha256: str) -> None:
    content = json.loads(local.read_text()) if local.exists() else {}
    content.setdefault(kind, {})[name] = {"url": url, "sha256": sha256}
    fresh = local.with_name(f".{local.name}.new")
    fresh.write_text(json.dumps(content, indent=2) + "\n")
    fresh.replace(local)


if __name__ == "__main__":
    main(sys.argv[1:])
