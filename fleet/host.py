"""What a host says of itself, read out of the texts that status.sh brings; and what of it is a problem."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_UNITS = ("sshd", "nginx", "media", "plex-gate", "plex")
_LEAST_FREE = 2_000_000_000  # what a change of the host needs
_MOST_LOAD = 4  # processes that want to run, for each processor, over a quarter of an hour
_UPGRADE_DAYS = 3
_CERTIFICATE_DAYS = 14  # renewed when 30 are left


@dataclass(frozen=True)
class Certificate:
    """The certificate that the host's name shows to a visitor from here."""

    ends: datetime | None = None
    fault: str = ""
    """Why a browser would not take it, or why there is none to be seen."""


@dataclass(frozen=True)
class Host:
    """A host as it says it is. None is what it did not say."""

    now: datetime
    stack: str | None
    state: str | None
    message: str | None
    generation: int | None
    nixpkgs: str | None
    differences: tuple[str, ...] | None
    notices: tuple[str, ...]
    """What will have to be done by some day, and is no problem before."""
    overdue: tuple[str, ...]
    """What should have been done by a day that is over."""
    failed: tuple[str, ...] | None
    inactive: tuple[str, ...] | None
    mounted: str | None
    listed: bool
    disk_bytes: int | None
    disk_free: int | None
    cache_bytes: int | None
    cache_most: int | None
    load: float | None
    cores: int | None
    plex: str | None
    claimed: bool | None
    open: bool | None
    backups: bool
    backup: datetime | None
    backup_warnings: tuple[str, ...]
    upgrades: bool | None
    upgraded: datetime | None
    bucket_bytes: int | None
    bucket_files: int | None
    sent_bytes: int | None
    """What the mount has fetched from the bucket."""
    sent_seconds: float | None
    """In how long a time."""


def read(facts: Mapping[str, str]) -> Host:
    """A host out of what status.sh has brought. What is missing in it, or is no answer, is unknown."""
    status, cache, bucket, traffic = (
        _object(facts.get(name)) for name in ("status", "cache", "bucket", "traffic")
    )
    drift = _lines(facts.get("drift"))
    load = (facts.get("load") or "").split()
    disk = (facts.get("disk") or "").split()
    plex = facts.get("plex") or ""
    version = re.search(r' version="([^"]+)"', plex)
    upgrade = facts.get("upgrade") or ""
    return Host(
        now=_at(facts.get("time")) or datetime.now(UTC),
        stack=_text(facts.get("stack")),
        state=status.get("state"),
        message=status.get("message"),
        generation=status.get("generation"),
        nixpkgs=status.get("nixpkgs"),
        differences=_differences(drift),
        notices=_said("support: notice: ", drift),
        overdue=_said("support: warning: ", drift),
        failed=_failed(facts.get("failed")),
        inactive=_inactive(facts.get("active")),
        mounted=_text(facts.get("mounted")),
        listed=_text(facts.get("listed")) == "yes",
        disk_bytes=int(disk[2]) if len(disk) == 4 else None,
        disk_free=int(disk[3]) if len(disk) == 4 else None,
        cache_bytes=cache.get("diskCache", {}).get("bytesUsed"),
        cache_most=cache.get("opt", {}).get("CacheMaxSize"),
        load=float(load[2]) if len(load) > 2 else None,
        cores=_number(facts.get("cores")),
        plex=version[1] if version else None,
        claimed=' claimed="1"' in plex if version else None,
        open="open" in facts["gate"].split() if "gate" in facts else None,
        backups="backup" in facts,
        backup=_moment(_object(facts.get("backup")).get("good")),
        backup_warnings=tuple(_lines(facts.get("warnings"))),
        upgrades="LoadState=loaded" in upgrade if upgrade else None,
        upgraded=_journal(facts.get("upgraded")),
        bucket_bytes=bucket.get("bytes"),
        bucket_files=bucket.get("count"),
        sent_bytes=traffic.get("bytes"),
        sent_seconds=traffic.get("elapsedTime"),
    )


def problems(host: Host, certificate: Certificate, stack: str) -> list[str]:
    """What somebody should look at, the gravest first."""
    return [
        *_of_the_change(host, stack),
        *_of_plex(host),
        *_of_the_system(host),
        *_of_the_certificate(certificate, host.now),
    ]


def _of_the_change(host: Host, stack: str) -> list[str]:
    found: list[str] = []
    if host.stack != stack:
        found.append(f"it is the host of {host.stack or 'no stack'}")
    if host.state is None:
        found.append("no `pulumi up` has been accepted yet, or its state cannot be read")
    elif host.state == "failed":
        found.append(f"the last change failed: {host.message}")
    elif host.state == "waiting":
        found.append(f"a change is being made: {host.message}")
    elif host.state == "pending":
        found.append(f"a reboot is pending: {host.message}")
    if host.differences is None:
        found.append("drift: unknown, since it did not answer")
    else:
        found += [f"drift: {line}" for line in host.differences]
    return found


def _of_plex(host: Host) -> list[str]:
    found: list[str] = []
    if host.mounted is None:
        found.append("the bucket is not mounted")
    elif not host.listed:
        found.append("the mount does not answer")
    if host.plex is None:
        found.append("Plex does not answer")
    elif not host.claimed:
        found.append("Plex has no owner, so the site is closed: claim it through the tunnel")
    elif not host.open:
        found.append("the site is closed, though Plex has an owner")
    return found + list(host.backup_warnings)


def _of_the_system(host: Host) -> list[str]:
    found: list[str] = []
    if host.failed is None or host.inactive is None:
        found.append("units: unknown, since systemd did not answer")
    else:
        failed = set(host.failed)
        stopped = [unit for unit in host.inactive if f"{unit}.service" not in failed]
        found += [f"{unit} has failed: journalctl -u {unit}" for unit in host.failed]
        found += [f"{unit} is not active" for unit in stopped]
    if host.disk_free is not None and host.disk_free < _LEAST_FREE:
        found.append(f"the disk has {host.disk_free / 1e9:.1f} GB left")
    if host.load is not None and host.cores is not None and host.load > _MOST_LOAD * host.cores:
        found.append(f"the load is {host.load:g} with {host.cores} processors")
    if host.upgraded is not None and (host.now - host.upgraded).days >= _UPGRADE_DAYS:
        found.append(f"no automatic upgrade has run for {(host.now - host.upgraded).days} days")
    return found + list(host.overdue)


def _of_the_certificate(certificate: Certificate, now: datetime) -> list[str]:
    if certificate.fault:
        return [f"HTTPS: {certificate.fault}"]
    if certificate.ends is not None and (certificate.ends - now).days < _CERTIFICATE_DAYS:
        return [f"the certificate ends in {(certificate.ends - now).days} days"]
    return []


def _differences(drift: list[str]) -> tuple[str, ...] | None:
    """None unless `drift` came to its end, which is a line of its own."""
    lines = [line.removeprefix("drift: ") for line in drift if line.startswith("drift: ")]
    if not lines or not (lines[-1] == "none" or lines[-1].startswith("`pulumi up")):
        return None
    return tuple(line for line in lines[:-1] if not line.startswith("note: "))


def _said(beginning: str, lines: list[str]) -> tuple[str, ...]:
    return tuple(line.removeprefix(beginning) for line in lines if line.startswith(beginning))


def _failed(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(line.split()[0] for line in _lines(text))


def _inactive(text: str | None) -> tuple[str, ...] | None:
    states = _lines(text)
    if len(states) != len(_UNITS):
        return None
    return tuple(unit for unit, state in zip(_UNITS, states, strict=True) if state != "active")


def _journal(text: str | None) -> datetime | None:
    microseconds = _object(text).get("__REALTIME_TIMESTAMP")
    return datetime.fromtimestamp(int(microseconds) / 1e6, UTC) if microseconds else None


def _at(text: str | None) -> datetime | None:
    seconds = _number(text)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdecimal() else None


def _text(text: str | None) -> str | None:
    return text.strip() or None if text is not None else None


def _lines(text: str | None) -> list[str]:
    return [line for line in (text or "").splitlines() if line.strip()]


def _object(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
