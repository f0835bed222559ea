"""What a host's texts mean, and which of it is a problem."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from fleet.host import Certificate, Host, problems, read

NOW = datetime(2026, 11, 25, 18, 0, tzinfo=UTC)
WELL = Certificate(NOW + timedelta(days=60))
STATUS = {
    "state": "converged",
    "message": "as its stack says",
    "generation": 12,
    "nixpkgs": "nixos-26.05.4193.a50de1b7d8a5",
}
IDENTITY = (
    '<MediaContainer size="0" claimed="1" machineIdentifier="38c4" version="1.42.1.10060-4e8" />'
)
FACTS = {
    "time": f"{NOW.timestamp():.0f}\n",
    "stack": "first\n",
    "status": json.dumps(STATUS),
    "drift": "drift: none\n",
    "failed": "",
    "active": "active\n" * 5,
    "mounted": "b2:films\n",
    "listed": "yes\n",
    "disk": "  1B-blocks       Avail\n41426333696 12000000000\n",
    "load": "0.40 0.30 0.20 1/200 999\n",
    "cores": "2\n",
    "plex": IDENTITY,
    "gate": "open\n",
    "upgrade": "Result=success\nLoadState=loaded\n",
    "upgraded": json.dumps({"__REALTIME_TIMESTAMP": f"{NOW.timestamp() * 1e6:.0f}"}),
    "cache": json.dumps({"diskCache": {"bytesUsed": 3}, "opt": {"CacheMaxSize": 16}}),
    "traffic": json.dumps({"bytes": 1000, "elapsedTime": 50.5}),
    "bucket": json.dumps({"bytes": 5000, "count": 7, "sizeless": 0}),
    "backup": json.dumps(
        {"time": "2026-11-25T03:00:00Z", "ok": True, "good": "2026-11-25T03:00:00Z"}
    ),
    "warnings": "",
}


def told(**changed: str | None) -> Host:
    """A host that is well but for these; None is no answer."""
    facts = {**FACTS, **changed}
    return read({name: text for name, text in facts.items() if text is not None})


def of(**changed: str | None) -> list[str]:
    return problems(told(**changed), WELL, "first")


def test_a_host_that_is_well_has_no_problem() -> None:
    assert of() == []


def test_everything_is_read() -> None:
    host = told()

    assert (host.now, host.stack, host.state, host.generation) == (NOW, "first", "converged", 12)
    assert host.nixpkgs == "nixos-26.05.4193.a50de1b7d8a5"
    assert (host.disk_bytes, host.disk_free) == (41426333696, 12000000000)
    assert (host.cache_bytes, host.cache_most) == (3, 16)
    assert (host.load, host.cores) == (0.2, 2)
    assert (host.plex, host.claimed, host.open) == ("1.42.1.10060-4e8", True, True)
    assert (host.backups, host.backup) == (True, NOW - timedelta(hours=15))
    assert (host.upgrades, host.upgraded) == (True, NOW)
    assert (host.bucket_bytes, host.bucket_files) == (5000, 7)
    assert (host.sent_bytes, host.sent_seconds) == (1000, 50.5)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"stack": "second\n"}, "it is the host of second"),
        ({"status": None}, "no `pulumi up` has been accepted"),
        (
            {"status": json.dumps({**STATUS, "state": "failed", "message": "health: x"})},
            "health: x",
        ),
        ({"status": json.dumps({**STATUS, "state": "pending"})}, "a reboot is pending"),
        ({"status": json.dumps({**STATUS, "state": "waiting"})}, "a change is being made"),
        (
            {
                "drift": "drift: /etc/nixos/x is not of `pulumi up`'s\ndrift: `pulumi up --replace …` …\n"
            },
            "drift: /etc/nixos/x is not",
        ),
        ({"drift": None}, "drift: unknown"),
        ({"drift": "drift: half of wh"}, "drift: unknown"),
        (
            {"drift": "support: warning: NixOS 26.05 has had no updates\ndrift: none\n"},
            "NixOS 26.05 has had no updates",
        ),
        ({"failed": "acme-x.service loaded failed failed x\n"}, "acme-x.service has failed"),
        ({"failed": None}, "units: unknown"),
        ({"active": "active\nactive\ninactive\nactive\nactive\n"}, "media is not active"),
        ({"active": "active\n"}, "units: unknown"),
        ({"mounted": ""}, "the bucket is not mounted"),
        ({"listed": ""}, "the mount does not answer"),
        ({"plex": ""}, "Plex does not answer"),
        ({"plex": IDENTITY.replace('"1"', '"0"')}, "Plex has no owner"),
        ({"gate": ""}, "the site is closed, though"),
        ({"disk": "a b\n41426333696 1900000000\n"}, "the disk has 1.9 GB left"),
        ({"load": "9 9 8.5 1/2 3\n"}, "the load is 8.5 with 2"),
        ({"warnings": "the last good backup is old\n"}, "the last good backup is old"),
        (
            {
                "upgraded": json.dumps(
                    {"__REALTIME_TIMESTAMP": f"{NOW.timestamp() * 1e6 - 3e11:.0f}"}
                )
            },
            "no automatic upgrade has run for 3 days",
        ),
    ],
)
def test_each_problem_is_one_line(changed: dict[str, str | None], problem: str) -> None:
    (found,) = of(**changed)
    assert problem in found


def test_a_unit_that_failed_is_told_once() -> None:
    found = of(
        failed="plex.service loaded failed failed Plex\n", active="active\n" * 4 + "failed\n"
    )
    assert found == ["plex.service has failed: journalctl -u plex.service"]


def test_what_is_to_come_is_a_notice_and_no_problem() -> None:
    drift = "support: notice: NixOS 26.05 gets its last updates\ndrift: none\n"

    assert told(drift=drift).notices == ("NixOS 26.05 gets its last updates",)
    assert of(drift=drift) == []
    assert told(drift=drift.replace("notice", "warning")).notices == ()


def test_a_note_of_drift_is_no_difference() -> None:
    assert of(drift="drift: note: /nix/store/x waits for a reboot\ndrift: none\n") == []


def test_what_a_host_does_not_say_is_unknown_and_never_a_crash() -> None:
    silent = read({})
    assert (silent.state, silent.plex, silent.claimed, silent.bucket_bytes) == (None,) * 4
    assert problems(silent, WELL, "first")
    for name in FACTS:
        told(**{name: "<broken"})
        told(**{name: "[]"})


def test_without_backups_or_upgrades_nothing_is_missing() -> None:
    off = {
        "backup": None,
        "warnings": None,
        "upgraded": "",
        "upgrade": "Result=success\nLoadState=not-found\n",
    }
    host = told(**off)
    assert (host.backups, host.upgrades, host.upgraded) == (False, False, None)
    assert of(**off) == []


@pytest.mark.parametrize(
    ("certificate", "problem"),
    [
        (Certificate(NOW + timedelta(days=13)), "the certificate ends in 13 days"),
        (
            Certificate(NOW + timedelta(days=60), "browsers do not trust it"),
            "HTTPS: browsers do not",
        ),
        (Certificate(fault="port 443 does not answer"), "HTTPS: port 443"),
    ],
)
def test_the_certificate(certificate: Certificate, problem: str) -> None:
    (found,) = problems(told(), certificate, "first")
    assert found.startswith(problem)
