"""Fill in the installer's hash where nix/pins.json leaves it open: `make pins`.

Prints what it does, and writes nix/pins.local.json, which is laid over nix/pins.json. Commit that file in
your own fork: from then on the installer is checked against what was fetched now.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import requests

from components.pins import PINS

LOCAL = PINS.with_name("pins.local.json")
_BLOCK = 1 << 20


def sha256(url: str) -> str:
    """The SHA-256 of what is at an address, in hexadecimal; says how far it is on standard error.

    Raises:
        requests.RequestException: it cannot be fetched.
    """
    digest = hashlib.sha256()
    with requests.get(url, stream=True, timeout=60) as answer:
        answer.raise_for_status()
        total = int(answer.headers.get("Content-Length", 0)) >> 20
        for number, block in enumerate(answer.iter_content(_BLOCK)):
            digest.update(block)
            if number % 50 == 0:
                print(f"\r{number} of {total or '?'} MB", end="", file=sys.stderr)  # noqa: T201
    print(file=sys.stderr)  # noqa: T201
    return digest.hexdigest()


def main(local: Path = LOCAL) -> None:
    """Fetch what has no hash yet, and write `local`; end with a sentence where it cannot be fetched."""
    wanted = {
        architecture: pin
        for architecture, pin in json.loads(PINS.read_text())["installer"].items()
        if pin["sha256"] is None
    }
    pins = json.loads(local.read_text()) if local.exists() else {}
    for architecture, pin in wanted.items():
        print(f"installer for {architecture}: {pin['url']}")  # noqa: T201
        try:
            found = {**pin, "sha256": sha256(pin["url"])}
        except requests.RequestException as error:
            sys.exit(f"It cannot be fetched: {error}")
        pins.setdefault("installer", {})[architecture] = found
    local.write_text(json.dumps(pins, indent=2) + "\n")
    print(f"Written: {local}. Commit it in your fork.")  # noqa: T201


if __name__ == "__main__":
    main()
