"""What a stack costs a month, by Hetzner's prices of today and those that Backblaze has published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fleet.host import Host

# Backblaze B2's price list of September 2026, in dollars; there is no API for it.
B2_TB = Decimal("6.95")
B2_FREE_BYTES = 10 * 10**9
B2_FREE_DOWNLOADS = 3  # times what is stored
B2_DOWNLOADED_GB = Decimal("0.01")

# The article's, of February 2022: its server with backups in euros, and B2 in dollars.
ARTICLE_SERVER = Decimal("4.75")
ARTICLE_STORED_GB = Decimal("0.005")
ARTICLE_DOWNLOADED_GB = Decimal("0.01")

_DAY = 24 * 60 * 60
_MONTH = 30 * _DAY
_GB = Decimal(10**9)
_SECONDS = 20


@dataclass(frozen=True)
class Hetzner:
    """A month at Hetzner, without VAT."""

    currency: str
    server_type: str
    server: Decimal
    backups: Decimal
    addresses: Decimal

    @property
    def total(self) -> Decimal:
        """All of it."""
        return self.server + self.backups + self.addresses


@dataclass(frozen=True)
class Backblaze:
    """A month at Backblaze in dollars, for the bucket with the media. None is unknown."""

    stored_bytes: int | None
    downloaded_bytes: int | None
    """As much as it would be in a month, by what the mount has fetched since it started."""
    stored: Decimal | None
    downloaded: Decimal | None


@dataclass(frozen=True)
class Article:
    """What the article's prices would make of the same films: its server in euros, B2 in dollars."""

    server: Decimal
    stored: Decimal | None
    downloaded: Decimal | None


def ask(token: str, endpoint: str, stack: str) -> Hetzner | str:
    """What Hetzner takes for a stack, or why that is unknown."""
    from hcloud import APIException, Client, HCloudException
    from requests import RequestException

    client = Client(token=token, api_endpoint=endpoint, timeout=_SECONDS)

    def get(path: str, **params: str) -> Any:
        return client.request(method="GET", url=path, params=params)

    own = f"project=plex-on-nixos,stack={stack}"
    try:
        return priced(
            get("/pricing")["pricing"],
            get("/servers", label_selector=own)["servers"],
            get("/primary_ips", label_selector=own)["primary_ips"],
        )
    except APIException as error:
        return f"Hetzner's API answered: {error.message}"
    except (HCloudException, RequestException) as error:
        return f"Hetzner's API does not answer ({type(error).__name__})"
    except (LookupError, TypeError):
        return "Hetzner's API lists no price for it"


def priced(
    pricing: Mapping[str, Any],
    servers: Sequence[Mapping[str, Any]],
    addresses: Sequence[Mapping[str, Any]],
) -> Hetzner | str:
    """The prices of these servers and addresses, as the API shows all three.

    Raises:
        LookupError: one has no price.
    """
    if not servers:
        return "Hetzner has no server of this stack"
    share = Decimal(pricing["server_backup"]["percentage"]) / 100
    server = backups = Decimal(0)
    for each in servers:
        monthly = _monthly(
            pricing["server_types"], "name", each["server_type"]["name"], _place(each)
        )
        server += monthly
        backups += monthly * share if each["backup_window"] else 0
    return Hetzner(
        currency=pricing["currency"],
        server_type=", ".join(each["server_type"]["name"] for each in servers),
        server=server,
        backups=backups,
        addresses=sum(
            (
                _monthly(pricing["primary_ips"], "type", each["type"], _place(each))
                for each in addresses
            ),
            Decimal(0),
        ),
    )


def backblaze(host: Host | None) -> Backblaze:
    """What B2 takes for the films, by what the host has counted."""
    stored = host.bucket_bytes if host else None
    downloaded = None
    # Of less than a day nothing can be said about a month.
    if host and host.sent_bytes is not None and (host.sent_seconds or 0) >= _DAY:
        downloaded = round(host.sent_bytes * _MONTH / (host.sent_seconds or 1))
    return Backblaze(
        stored_bytes=stored,
        downloaded_bytes=downloaded,
        stored=None if stored is None else max(stored - B2_FREE_BYTES, 0) / (1000 * _GB) * B2_TB,
        downloaded=(
            None
            if stored is None or downloaded is None
            else max(downloaded - B2_FREE_DOWNLOADS * stored, 0) / _GB * B2_DOWNLOADED_GB
        ),
    )


def article(b2: Backblaze) -> Article:
    """The same by the article's prices."""
    stored, downloaded = b2.stored_bytes, b2.downloaded_bytes
    return Article(
        server=ARTICLE_SERVER,
        stored=None if stored is None else stored / _GB * ARTICLE_STORED_GB,
        downloaded=None if downloaded is None else downloaded / _GB * ARTICLE_DOWNLOADED_GB,
    )


def _monthly(prices: Sequence[Mapping[str, Any]], key: str, value: str, location: str) -> Decimal:
    of_it = next((each for each in prices if each[key] == value), None)
    if of_it is None:
        raise LookupError(value)
    for price in of_it["prices"]:
        if price["location"] == location:
            return Decimal(price["price_monthly"]["net"])
    raise LookupError(location)


def _place(thing: Mapping[str, Any]) -> str:
    return str(thing["location"]["name"])
