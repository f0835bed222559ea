"""How long a NixOS release gets updates, which its name tells."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

import pulumi

_NOTICE_DAYS = 30


@dataclass(frozen=True)
class Notice:
    """What there is to say: a notice while the release gets updates, a warning after its last day."""

    level: Literal["notice", "warning"]
    text: str


def ends(release: str) -> date:
    """The last day on which a release such as "26.05" gets updates: seven months after it came out."""
    year, month = _parts(release)
    return date(year, 12, 31) if month == 5 else date(year + 1, 6, 30)


def successor(release: str) -> str:
    """The release after one: "26.11" after "26.05"."""
    year, month = _parts(release)
    return f"{year % 100:02}.11" if month == 5 else f"{(year + 1) % 100:02}.05"


def notice(release: str, today: date) -> Notice | None:
    """What there is to say about a release's support on a day, from 30 days before its end; or None."""
    left = (ends(release) - today).days
    if left > _NOTICE_DAYS:
        return None
    following = successor(release)
    what_to_do = (
        f"Go to the next release: `make pins RELEASE={following}`, then "
        f"`pulumi config set nixosRelease {following}` and `pulumi up`."
    )
    if left < 0:
        return Notice(
            "warning",
            f"nixosRelease: NixOS {release} has had no updates since {ends(release)}, so what is found to "
            f"be insecure in it stays open to everybody who can reach this host. {what_to_do}",
        )
    return Notice(
        "notice",
        f"nixosRelease: NixOS {release} gets its last updates, those for security too, on "
        f"{ends(release)}, {_in(left)}. {what_to_do}",
    )


def say(release: str) -> None:
    """Say so today to whoever runs Pulumi, once in a run.

    `pulumi up` runs the program for its preview and again for the update. The Automation API, by which
    `python -m fleet` works, brings a stack up without a preview.
    """
    if not pulumi.runtime.is_dry_run() and "PULUMI_AUTOMATION_API" not in os.environ:
        return
    said = notice(release, datetime.now(UTC).date())
    if said is not None:
        log = pulumi.log.warn if said.level == "warning" else pulumi.log.info
        log(said.text)


def _in(days: int) -> str:
    return "today" if days == 0 else "in 1 day" if days == 1 else f"in {days} days"


def _parts(release: str) -> tuple[int, int]:
    year, month = release.split(".")
    return 2000 + int(year), int(month)
