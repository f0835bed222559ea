"""Whether a server type can be had and is large enough, asked of Hetzner right before it matters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

import pulumi
from hcloud.server_types import BoundServerType

from components import architecture, hetzner
from components.settings import Settings

MINIMUM_DISK_GB = 40
MINIMUM_MEMORY_GB = 3
_SYSTEM_GB = 17  # NixOS with a few generations, swap, Plex's library, and room to build
_BY_HETZNERS_NAME = {"x86": "x86_64", "arm": "aarch64"}


class Wanted(Protocol):
    """What decides which server types do: a stack's settings, or what is known of them so far."""

    @property
    def server_type(self) -> str: ...
    @property
    def location(self) -> str: ...
    @property
    def cache_gigabytes(self) -> int: ...


class ServerTypeError(pulumi.RunError):
    """The server type does not do. The message says why, and which would."""


def hooks(settings: Settings) -> pulumi.ResourceHookBinding:
    """Hooks for the server: previews run them too, but only when it is about to be made or changed.

    So a preview of nothing asks Hetzner nothing, and day two does not break because a type is no longer
    sold.
    """

    def before_create(_: pulumi.ResourceHookArgs) -> None:
        _check(settings)
        if settings.architecture == "aarch64":
            pulumi.log.warn(
                f"serverType: {settings.server_type} is an Arm server (aarch64), and this project has "
                "not been tried on one. Its weak spot is the jump from Ubuntu into the NixOS installer "
                "(kexec), after which some have seen Hetzner's Arm servers hang."
            )

    def before_update(args: pulumi.ResourceHookArgs) -> None:
        before = (args.old_inputs or {}).get("serverType")
        if before != settings.server_type:
            _check_architecture(str(before), settings)
            _check(settings)
            pulumi.log.warn(
                f"The change from {before} to {settings.server_type} switches the server's power off "
                "and on again: whoever is watching is cut off for a minute or two."
            )

    in_previews = pulumi.ResourceHookOptions(on_dry_run=True)
    return pulumi.ResourceHookBinding(
        before_create=[pulumi.ResourceHook("server-type", before_create, in_previews)],
        before_update=[pulumi.ResourceHook("server-type-change", before_update, in_previews)],
    )


def _check_architecture(before: str, settings: Settings) -> None:
    had = architecture.of(before)
    if had != settings.architecture:
        raise ServerTypeError(
            f"serverType: a server cannot go from {before} ({had}) to {settings.server_type} "
            f"({settings.architecture}), since nothing on its disk would run there. Choose a type of "
            f"{had}, or make a new stack."
        )


def _check(settings: Settings) -> None:
    with hetzner.asking("serverType: cannot be looked up") as client:
        types = client.server_types.get_all()
    fault = unfit(types, settings, datetime.now(UTC))
    if fault:
        raise ServerTypeError(f"serverType: {fault}")


def unfit(types: list[BoundServerType], wanted: Wanted, now: datetime) -> str | None:
    """Why a server type does not do, with those that would; or None."""
    found = next((each for each in types if each.name == wanted.server_type), None)
    fault = "there is no such type" if found is None else _fault(found, wanted, now)
    if fault is None:
        return None
    fit = [
        each
        for each in types
        if architecture.of(str(each.name)) == architecture.of(wanted.server_type)
        and _fault(each, wanted, now) is None
    ]
    fit.sort(key=lambda each: (each.memory or 0, each.disk or 0))
    would = ", ".join(str(each.name) for each in fit[:4]) or "none"
    return f"{wanted.server_type} in {wanted.location}: {fault}. What would do there: {would}"


def _fault(kind: BoundServerType, wanted: Wanted, now: datetime) -> str | None:
    named = architecture.of(str(kind.name))
    if _BY_HETZNERS_NAME.get(str(kind.architecture)) != named:
        return (
            f"Hetzner says its architecture is {kind.architecture}, but by its name it is {named}"
        )
    place = next(
        (each for each in kind.locations or [] if each.location.name == wanted.location), None
    )
    if place is None:
        return "it does not exist in this location"
    ends = place.deprecation.unavailable_after if place.deprecation else None
    if ends is not None and ends <= now:
        return "it can no longer be ordered"
    if place.available is False:
        return "it is sold out there at present"
    disk, memory = kind.disk or 0, kind.memory or 0
    if disk < MINIMUM_DISK_GB:
        return f"its disk of {disk} GB is smaller than {MINIMUM_DISK_GB} GB"
    if memory < MINIMUM_MEMORY_GB:
        return f"its memory of {memory:g} GB is less than {MINIMUM_MEMORY_GB} GB"
    if wanted.cache_gigabytes + _SYSTEM_GB > disk:
        return (
            f"its disk of {disk} GB cannot hold cacheGigabytes = {wanted.cache_gigabytes} "
            f"beside the {_SYSTEM_GB} GB that the system needs"
        )
    return None
