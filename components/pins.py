"""What is fetched from elsewhere, by address and hash: `nix/pins.json` and a local file over it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from components import checks
from components.architecture import Architecture

PINS = Path(__file__).resolve().parent.parent / "nix" / "pins.json"

# Whose numbers tell the host which of two nixpkgs is the later one.
_NIXPKGS_URL = r"^https?://.*/nixos-\d\d\.\d\d\.\d+\.[0-9a-f]+/nixexprs\.tar\.xz$"


class PinsError(ValueError):
    """A pin is missing. The message says which, and what to run."""


class Pin(BaseModel):
    """An immutable address and the hash of what is there."""

    model_config = ConfigDict(frozen=True)

    url: str
    sha256: str


class Installer(BaseModel):
    """The address of the file, and its sha256 in hexadecimal once it is filled in."""

    url: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None


class Nixpkgs(BaseModel):
    """The address of a release's nixexprs.tar.xz, and the hash of the folder in it, as `nix-hash --sri`
    prints it."""

    url: Annotated[str, Field(pattern=_NIXPKGS_URL)]
    sha256: Annotated[str, Field(pattern=r"^sha256-[A-Za-z0-9+/]{43}=$")] | None


class PinFile(BaseModel):
    """Every pin that there is, filled in or not."""

    installer: dict[Architecture, Installer]
    nixpkgs: dict[Annotated[str, AfterValidator(checks.release)], Nixpkgs]
    """By release."""

    @property
    def newest_release(self) -> str | None:
        """The newest release whose pin is filled in; None where none is."""
        return max((name for name, pin in self.nixpkgs.items() if pin.sha256), default=None)


class Pins(BaseModel):
    """What one stack needs: the nixpkgs of its release, and the installer for its architecture."""

    model_config = ConfigDict(frozen=True)

    nixpkgs: Pin
    installer: Pin

    @classmethod
    def load(cls, release: str, architecture: Architecture, local: Path) -> Pins:
        """The pins from `nix/pins.json` with `local` laid over it.

        Args:
            release: such as "26.05".
            architecture: the server's.
            local: what `make pins` writes; it need not exist.

        Raises:
            PinsError: the release has no pin, pins have not been filled in yet (all of them are named), or
                `local` cannot be read.
        """
        pins = read(local)
        nixpkgs, installer = pins.nixpkgs.get(release), pins.installer[architecture]
        if nixpkgs is None:
            known = ", ".join(sorted(pins.nixpkgs))
            raise PinsError(
                f'nixosRelease: no pin for "{release}"; there are pins for {known}, and '
                f"`make pins RELEASE={release}` makes one"
            )
        if f"/nixos-{release}." not in nixpkgs.url:
            raise PinsError(
                f"pins: the nixpkgs of {release} is one of another release: {nixpkgs.url}"
            )
        if nixpkgs.sha256 is None or installer.sha256 is None:
            wanted = (
                (f"nixpkgs {release}", nixpkgs.url, nixpkgs.sha256),
                (f"the installer for {architecture}", installer.url, installer.sha256),
            )
            open_ones = [f"{name} ({url})" for name, url, sha256 in wanted if sha256 is None]
            which = "" if architecture == "x86_64" else f" ARCHITECTURE={architecture}"
            raise PinsError(
                f"pins: no hash yet for {' and '.join(open_ones)}, neither in nix/pins.json nor in "
                f"{local.name!r}; run `make pins{which}`"
            )
        return cls(
            nixpkgs=Pin(url=nixpkgs.url, sha256=nixpkgs.sha256),
            installer=Pin(url=installer.url, sha256=installer.sha256),
        )


def read(local: Path) -> PinFile:
    """All pins, with `local` laid over them value by value.

    Raises:
        PinsError: `local` cannot be read, or is no such file.
    """
    pins: object = json.loads(PINS.read_text())
    try:
        if local.exists():
            pins = _over(pins, json.loads(local.read_text()))
        return PinFile.model_validate(pins)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise PinsError(f"pins: in {str(local)!r}, {where}: {first['msg']}") from error
    except (OSError, ValueError) as error:
        raise PinsError(f"pins: {str(local)!r} cannot be read: {error}") from error


def _over(below: object, above: object) -> object:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _over(below.get(key), value) for key, value in above.items()}
