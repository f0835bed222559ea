"""Whether a server type can be had and is large enough, asked of Hetzner right before it matters."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pulumi
from hcloud import APIException, Client
from hcloud.server_types import BoundServerType
from requests import RequestException

from components.settings import Settings

MINIMUM_DISK_GB = 40
MINIMUM_MEMORY_GB = 3
_SYSTEM_GB = 15  # NixOS with a few generations, Plex's library, and room to build


class ServerTypeError(pulumi.RunError):
    """The server type does not do. The message says why, and which would."""


def hooks(settings: Settings) -> pulumi.ResourceHookBinding:
    """Hooks for the server: previews run them too, but only when it is about to be made or changed.

    So a preview of nothing asks Hetzner nothing, and day two does not break because a type is no longer
    sold.
    """

    def before_create(_: pulumi.ResourceHookArgs) -> None:
        _check(settings)

    def before_update(args: pulumi.ResourceHookArgs) -> None:
        before = (args.old_inputs or {}).get("serverType")
        if before != settings.server_type:
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


def _check(settings: Settings) -> None:
    config = pulumi.Config("hcloud")
    token = pulumi.runtime.get_config("hcloud:token") or os.environ.get("HCLOUD_TOKEN", "")
    endpoint = config.get("endpoint") or "https://api.hetzner.cloud/v1"
    try:
        types = Client(token=token, api_endpoint=endpoint, timeout=30).server_types.get_all()
    except APIException as error:
        raise ServerTypeError(f"hcloud:token: Hetzner's API refused it: {error}") from error
    except RequestException as error:
        raise ServerTypeError(
            f"serverType: cannot be looked up, Hetzner's API does not answer at {endpoint} "
            f"({type(error).__name__})"
        ) from error
    fault = unfit(types, settings, datetime.now(UTC))
    if fault:
        raise ServerTypeError(f"serverType: {fault}")


def unfit(types: list[BoundServerType], settings: Settings, now: datetime) -> str | None:
    """Why the stack's server type does not do, with those that would; or None."""
    found = next((each for each in types if each.name == settings.server_type), None)
    fault = "there is no such type" if found is None else _fault(found, settings, now)
    if fault is None:
        return None
    fit = [each for each in types if _fault(each, settings, now) is None]
    fit.sort(key=lambda each: (each.memory or 0, each.disk or 0))
    would = ", ".join(str(each.name) for each in fit[:4]) or "none"
    return f"{settings.server_type} in {settings.location}: {fault}. What would do there: {would}"


def _fault(kind: BoundServerType, settings: Settings, now: datetime) -> str | None:
    if kind.architecture != "x86":
        return f"its architecture is {kind.architecture}, and only x86 has been tried"
    place = next(
        (each for each in kind.locations or [] if each.location.name == settings.location), None
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
    if settings.cache_gigabytes + _SYSTEM_GB > disk:
        return (
            f"its disk of {disk} GB cannot hold cacheGigabytes = {settings.cache_gigabytes} "
            f"beside the {_SYSTEM_GB} GB that the system needs"
        )
    return None
