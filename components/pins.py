"""What is fetched from elsewhere, by address and hash: `nix/pins.json` and a local file over it."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

PINS = Path(__file__).resolve().parent.parent / "nix" / "pins.json"


class PinsError(ValueError):
    """A pin is missing. The message says which, and what to run."""


class Pin(BaseModel):
    """An immutable address and the hash of what is there."""

    model_config = ConfigDict(frozen=True)

    url: str
    sha256: str


class Pins(BaseModel):
    """What one release needs: its nixpkgs (NAR hash, as `nix-hash --sri` prints it), and the
    installer for x86_64 (sha256 of the file, hexadecimal)."""

    model_config = ConfigDict(frozen=True)

    nixpkgs: Pin
    installer: Pin

    @classmethod
    def load(cls, release: str, local: Path) -> Pins:
        """The pins of a release such as "26.05", from `nix/pins.json` with `local` laid over it.

        Raises:
            PinsError: the release has no pin, or a pin it needs has not been filled in yet.
        """
        pins = json.loads(PINS.read_text())
        if local.exists():
            pins = _over(pins, json.loads(local.read_text()))
        known = sorted(pins["nixpkgs"])
        if release not in known:
            raise PinsError(
                f'nixosRelease: no pin for "{release}"; there are pins for {", ".join(known)}'
            )
        found = {"nixpkgs": pins["nixpkgs"][release], "installer": pins["installer"]["x86_64"]}
        for name, pin in found.items():
            if pin["sha256"] is None:
                raise PinsError(
                    f"pins: the hash of the {name} ({pin['url']}) is not filled in; run `make pins`"
                )
        return cls.model_validate(found)


def _over(below: dict[str, object], above: dict[str, object]) -> dict[str, object]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = (
            _over(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
        )
    return merged
