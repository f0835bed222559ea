"""What can be had at Hetzner with a token, asked of its API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from hcloud import APIException, Client, HCloudException
from hcloud.server_types import BoundServerType
from requests import RequestException

from components import architecture, catalogue, checks

T = TypeVar("T")

_SECONDS = 30


@dataclass(frozen=True)
class _Wanted:
    server_type: str
    location: str
    cache_gigabytes: int


class Project:
    """A project at Hetzner, which a token opens.

    Raises:
        ValueError: by every method, if Hetzner refuses or does not answer.
    """

    def __init__(self, token: str, endpoint: str) -> None:
        self._client = Client(token=checks.token(token), api_endpoint=endpoint, timeout=_SECONDS)
        self.locations = {
            str(each.name): f"{each.city}, {each.country}"
            for each in self._ask(self._client.locations.get_all)
        }
        self._may_write()

    def zones(self) -> list[str]:
        """The names of its DNS zones."""
        return sorted(str(each.name) for each in self._ask(self._client.zones.get_all))

    def fit(self, location: str, cache_gigabytes: int) -> dict[str, str]:
        """The server types that do in a location, the cheapest first, each with what it is and costs; those
        with Arm processors, with which this has not been tried, come last."""
        types = self._types()
        do = [
            each
            for each in types
            if _unfit(types, str(each.name), location, cache_gigabytes) is None
        ]
        do.sort(key=lambda each: (_arm(each), _price(each, location)))
        return {
            str(each.name): f"{each.cores} vCPU, {each.memory:g} GB, disk {each.disk} GB, "
            f"{_price(each, location):.2f} EUR a month"
            + (" (Arm: not tried yet)" if _arm(each) else "")
            for each in do
        }

    def unfit(self, server_type: str, location: str, cache_gigabytes: int) -> str | None:
        """Why a server type does not do in a location; or None."""
        return _unfit(self._types(), server_type, location, cache_gigabytes)

    def _types(self) -> list[BoundServerType]:
        return self._ask(self._client.server_types.get_all)

    def _may_write(self) -> None:
        """An order without its contents is refused in any case, and by its reason a token that may only read
        is told."""
        try:
            self._client.request(method="POST", url="/ssh_keys", json={})
        except APIException as error:
            if error.code in {"token_readonly", "forbidden"}:
                raise ValueError(
                    "this token may only read; make one with the permission Read & Write"
                ) from error
        except (HCloudException, RequestException):
            return

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except APIException as error:
            if error.code == "unauthorized":
                raise ValueError("Hetzner does not take this token") from error
            raise ValueError(f"Hetzner's API answered: {error.message}") from error
        except (HCloudException, RequestException) as error:
            raise ValueError(f"Hetzner's API does not answer ({type(error).__name__})") from error


def _unfit(
    types: list[BoundServerType], server_type: str, location: str, cache_gigabytes: int
) -> str | None:
    return catalogue.unfit(
        types, _Wanted(server_type, location, cache_gigabytes), datetime.now(UTC)
    )


def _arm(kind: BoundServerType) -> bool:
    return architecture.of(str(kind.name)) == "aarch64"


def _price(kind: BoundServerType, location: str) -> Decimal:
    return next(
        Decimal(each["price_monthly"]["net"])
        for each in kind.prices or []
        if each["location"] == location
    )
