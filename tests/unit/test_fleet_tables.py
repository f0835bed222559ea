"""What `status` prints: problems before anything else, plain where it is piped, unknown as unknown."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from decimal import Decimal

import pytest
from rich.console import Console

from fleet import __main__ as command
from fleet import ci, money, stacks, status, tables
from fleet.status import Report
from tests.unit.test_fleet_host import NOW, WELL, told

HETZNER = money.Hetzner("EUR", "cx23", Decimal("3.99"), Decimal("0.8"), Decimal("0.5"))
GOOD = Report("good", (), told(), WELL, HETZNER)
SILENT = Report(
    "silent", ("does not answer: no answer within 45 s",), hetzner="Hetzner's API is away"
)


def shown(*reports: Report, terminal: bool = False) -> str:
    text = io.StringIO()
    tables.show(reports, Console(file=text, width=200, force_terminal=terminal))
    return text.getvalue()


def test_problems_come_first_and_each_stack_is_a_row_of_both_tables() -> None:
    lines = shown(SILENT, GOOD).splitlines()

    assert lines[0] == "silent: does not answer: no answer within 45 s"
    rows = [line.split() for line in lines if line.startswith("good")]
    hosts, costs = rows
    assert hosts[1:6] == ["well", "converged", "12", "26.05.4193", "1.42.1.10060"]
    assert {"12/41", "60", "15", "0.2"} <= set(hosts)
    assert " ".join(costs[1:]) == (
        "3.99 (cx23) 0.80 0.50 5.29 EUR 5.0 kB $0.00 unknown unknown 4.75 EUR + $0.00 + unknown"
    )


ENDING = Report(
    "ending", (), told(drift="support: notice: NixOS 26.05 gets\ndrift: none\n"), WELL, HETZNER
)


def test_notices_come_after_the_problems_and_their_stack_is_well() -> None:
    lines = shown(SILENT, ENDING).splitlines()

    assert lines[:3] == [
        "silent: does not answer: no answer within 45 s",
        "ending: notice: NixOS 26.05 gets",
        "",
    ]
    assert any(line.startswith("ending well") for line in lines)


def test_with_nothing_but_notices_status_ends_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stacks, "chosen", lambda names: names)
    monkeypatch.setattr(stacks, "unlock", lambda names: None)
    monkeypatch.setattr(status, "look", lambda names, parallel: [ENDING])

    assert command.main(["status", "--json", "ending"]) == 0

    printed = capsys.readouterr().out
    (found,) = json.loads(printed)["stacks"]
    assert (found["problems"], found["notices"]) == ([], ["NixOS 26.05 gets"])
    # Nothing for the nightly look at GitHub.
    assert ci.problems(json.loads(printed)) == ""


def test_what_is_not_known_is_said_so_with_the_reason() -> None:
    text = shown(SILENT)
    hosts, costs = [line for line in text.splitlines() if line.startswith("silent ")]
    assert hosts.split().count("unknown") == 11
    assert costs.split().count("unknown") == 9
    assert "silent: Hetzner's API is away" in text


def test_colours_are_for_terminals() -> None:
    assert "\x1b" not in shown(SILENT, GOOD)
    assert "\x1b[32mwell" in shown(GOOD, terminal=True)


def test_a_total_of_money_has_what_is_known_of_the_traffic() -> None:
    counted = told(
        bucket='{"bytes": 1000000000000, "count": 1}',
        traffic='{"bytes": 1000000000000, "elapsedTime": 864000}',
    )
    text = shown(Report("good", (), counted, WELL, HETZNER))
    assert "1.0 TB $6.88 3.0 TB $0.00 4.75 EUR + $35.00" in " ".join(text.split())


def test_spans_are_short() -> None:
    for seconds, said in ((90, "2 min"), (3600 * 5, "5 h"), (3600 * 24 * 9, "9 d")):
        backup = (NOW - timedelta(seconds=seconds)).isoformat()
        host = told(backup=f'{{"good": "{backup}"}}')
        assert said in shown(Report("good", (), host, WELL, HETZNER))
