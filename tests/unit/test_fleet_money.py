"""What a stack costs, by prices as Hetzner's API has them, and by what its host has counted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fleet import money
from sandbox.hetzner import pricing
from tests.unit.test_fleet_host import told

SERVER = {"server_type": {"name": "cx23"}, "location": {"name": "fsn1"}, "backup_window": "22-02"}
ADDRESSES = [{"type": kind, "location": {"name": "fsn1"}} for kind in ("ipv4", "ipv6")]
DAY = 24 * 60 * 60
TB = 10**12


def at_hetzner(*servers: dict[str, Any]) -> money.Hetzner | str:
    return money.priced(pricing.all_prices(), servers, ADDRESSES)


def test_server_backups_and_addresses_are_priced_where_they_are() -> None:
    costs = at_hetzner(SERVER)

    assert isinstance(costs, money.Hetzner)
    assert (costs.server, costs.addresses, costs.currency) == (
        Decimal("3.99"),
        Decimal("0.5"),
        "EUR",
    )
    assert costs.backups == Decimal("0.798")
    assert costs.total == Decimal("5.288")
    without = at_hetzner({**SERVER, "backup_window": None})
    assert isinstance(without, money.Hetzner)
    assert without.backups == 0


def test_what_has_no_price_is_not_free() -> None:
    assert at_hetzner() == "Hetzner has no server of this stack"
    with pytest.raises(LookupError):
        at_hetzner({**SERVER, "location": {"name": "sin"}})
    with pytest.raises(LookupError):
        at_hetzner({**SERVER, "server_type": {"name": "cx99"}})


def counted(stored: int, sent: int, seconds: float) -> money.Backblaze:
    return money.backblaze(
        told(
            bucket=f'{{"bytes": {stored}, "count": 1}}',
            traffic=f'{{"bytes": {sent}, "elapsedTime": {seconds}}}',
        )
    )


def test_b2_takes_for_what_is_stored_and_for_downloads_beyond_three_times_that() -> None:
    b2 = counted(TB, TB, 10 * DAY)
    assert b2.stored is not None
    assert round(b2.stored, 2) == Decimal("6.88")  # 10 GB of it are free
    assert b2.downloaded_bytes == 3 * TB
    assert b2.downloaded == 0
    assert counted(TB, 2 * TB, 10 * DAY).downloaded == 30
    assert counted(10**9, 0, DAY).stored == 0


def test_a_month_is_not_told_from_less_than_a_day_nor_anything_of_a_silent_host() -> None:
    assert counted(TB, TB, DAY - 1).downloaded_bytes is None
    silent = money.backblaze(None)
    assert (silent.stored, silent.downloaded) == (None, None)
    assert money.article(silent).stored is None


def test_the_articles_prices_for_the_same_films() -> None:
    sums = money.article(counted(TB, TB // 100, DAY))
    assert sums == money.Article(Decimal("4.75"), Decimal(5), Decimal(3))
