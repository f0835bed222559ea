"""Hetzner's API by its official client, for questions that the provider does not ask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pulumi
from hcloud import APIException, Client, HCloudException
from hcloud.servers import BoundServer
from requests import RequestException

_REFUSED = {"unauthorized", "forbidden", "token_readonly"}


class HetznerError(pulumi.RunError):
    """Hetzner's API refused, failed or did not answer. The message is one sentence."""


def labels(stack: str) -> dict[str, str]:
    """What every object of a stack is labelled with at Hetzner."""
    return {"project": "plex-on-nixos", "stack": stack}


def protected(server: BoundServer) -> bool:
    """Whether Hetzner refuses to delete it."""
    return bool(server.protection and server.protection["delete"])


@contextmanager
def asking(what: str) -> Iterator[Client]:
    """The client, with the stack's own token and endpoint, for as long as one question takes.

    Args:
        what: what the question is about, which begins the message of an error.

    Raises:
        HetznerError: the question could not be answered.
    """
    token = pulumi.runtime.get_config("hcloud:token") or os.environ.get("HCLOUD_TOKEN", "")
    endpoint = pulumi.Config("hcloud").get("endpoint") or "https://api.hetzner.cloud/v1"
    try:
        yield Client(token=token, api_endpoint=endpoint, timeout=30)
    except APIException as error:
        if error.code in _REFUSED:
            raise HetznerError(f"hcloud:token: Hetzner's API refused it: {error}") from error
        raise HetznerError(f"{what}: Hetzner's API answered: {error}") from error
    except HCloudException as error:  # an action that failed, or never ended
        raise HetznerError(f"{what}: {error}") from error
    except RequestException as error:
        raise HetznerError(
            f"{what}: Hetzner's API does not answer at {endpoint} ({type(error).__name__})"
        ) from error
