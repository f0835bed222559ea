"""What is fetched from elsewhere, by address and hash: `nix/pins.json` and a local file over it."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

PINS = Path(__file__).resolve().parent.parent / "nix" / "pins.json"


class PinsError(ValueError):
    """A pin is missing. The message says which, and what to run."""


class Pin(BaseModel):
    """An immutable address and the hash of what is there."""

    model_config = ConfigDict(frozen=True)

    url: str
    sha256: str


class _OpenPin(BaseModel):
    url: str
    sha256: str | None


class _File(BaseModel):
    installer: dict[str, _OpenPin]
    nixpkgs: dict[str, _OpenPin]


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
            PinsError: the release has no pin, a pin it needs has not been filled in yet, or `local`
                cannot be read.
        """
        pins = _read(local)
        known = sorted(pins.nixpkgs)
        if release not in known:
            raise PinsError(
                f'nixosRelease: no pin for "{release}"; there are pins for {", ".join(known)}'
            )
        return cls(
            nixpkgs=_filled("nixpkgs", pins.nixpkgs[release]),
            installer=_filled("installer", pins.installer["x86_64"]),
        )


def _read(local: Path) -> _File:
    pins: object = json.loads(PINS.read_text())
    try:
        if local.exists():
            pins = _over(pins, json.loads(local.read_text()))
        return _File.model_validate(pins)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise PinsError(f"pins: in {str(local)!r}, {where}: {first['msg']}") from error
    except (OSError, ValueError) as error:
        raise PinsError(f"pins: {str(local)!r} cannot be read: {error}") from error


def _filled(name: str, pin: _OpenPin) -> Pin:
    if pin.sha256 is None:
        raise PinsError(
            f"pins: the hash of the {name} ({pin.url}) is not filled in; run `make pins`"
        )
    return Pin(url=pin.url, sha256=pin.sha256)


def _over(below: object, above: object) -> object:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _over(below.get(key), value) for key, value in above.items()}
