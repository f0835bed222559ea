"""Prices, in the form of the real ones.

The numbers of the cx types, of primary IPs and of backups are those of May 2026, the others were
set beside them. Nothing depends on them, and nobody keeps them up.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from .catalogue import LOCATIONS, SERVER_TYPES, ServerType

_VAT = Decimal("19.00")
"""Per cent."""
_HOURS_PER_MONTH = 624
_TRAFFIC = 20 * 1024**4
"""Bytes in a month, in Europe."""
_TRAFFIC_OVERSEAS = 1024**4
_PER_TB = "1.00"
_BACKUP = "20.00"
"""Per cent of the server's price."""
_ADDRESS = {"ipv4": "0.50", "ipv6": "0.00"}

Price = dict[str, str]


def _price(net: Decimal) -> Price:
    gross = net * (100 + _VAT) / 100
    return {key: f"{value:.10f}" for key, value in (("net", net), ("gross", gross))}


def _times(monthly: str) -> dict[str, Price]:
    month = Decimal(monthly)
    hour = (month / _HOURS_PER_MONTH).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return {"price_hourly": _price(hour), "price_monthly": _price(month)}


def of_server_type(kind: ServerType) -> list[dict[str, object]]:
    """The prices of a server type, for each location that offers it."""
    return [
        {
            "location": location.name,
            **_times(kind.monthly),
            "included_traffic": traffic(location.name),
            "price_per_tb_traffic": _price(Decimal(_PER_TB)),
        }
        for location in LOCATIONS
        if location.name in kind.offered
    ]


def traffic(location: str) -> int:
    """Bytes that a server there may send in a month without further cost."""
    europe = {place.name for place in LOCATIONS if place.network_zone == "eu-central"}
    return _TRAFFIC if location in europe else _TRAFFIC_OVERSEAS


def all_prices() -> dict[str, object]:
    """The answer to GET /pricing, without what is no part of this API."""
    return {
        "currency": "EUR",
        "vat_rate": str(_VAT),
        "server_backup": {"percentage": _BACKUP},
        "server_types": [
            {"id": kind.id, "name": kind.name, "prices": of_server_type(kind)}
            for kind in SERVER_TYPES
        ],
        "primary_ips": [
            {
                "type": kind,
                "prices": [{"location": place.name, **_times(price)} for place in LOCATIONS],
            }
            for kind, price in _ADDRESS.items()
        ],
    }
