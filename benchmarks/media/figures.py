"""Medians of what was measured, what they come to in a month, and whether they are good enough."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.media.measure import LINKS
from benchmarks.media.player import RATE
from benchmarks.media.work import FIRST_BYTES, SOUGHT_BYTES

ARTICLE, DEFAULTS, OURS = SETS = ("article", "defaults", "ours")
_USUAL = "usual"

# A month of a household: a scan each hour, 200 new films, 100 hours of watching.
SCANS, NEW, HOURS = 720, 200, 100
# In dollars: https://www.backblaze.com/b2/b2-transactions-price.html
_FREE_A_DAY, _EACH_B, _EACH_C, _GB = 2500, 0.004 / 10_000, 0.004 / 1000, 0.01


class Figures:
    """What one run has measured."""

    def __init__(self, results: dict[str, Any]) -> None:
        self._all: list[dict[str, Any]] = results["figures"]
        self.outages: list[dict[str, Any]] = results["outages"]
        self._analysed: int = results["library"]["analysed"]

    def values(self, what: str, flags: str, work: str, link: str = _USUAL) -> list[float]:
        """One of a Figure's numbers, of each run."""
        return [
            one[what]
            for one in self._all
            if (one["link"], one["flags"], one["work"]) == (link, flags, work)
        ]

    def of(self, what: str, flags: str, work: str, link: str = _USUAL) -> float:
        """The median of these."""
        return median(self.values(what, flags, work, link))

    def works(self) -> list[str]:
        """In the order in which they were done."""
        return list(dict.fromkeys(one["work"] for one in self._all))

    def links(self) -> list[str]:
        return list(dict.fromkeys(one["link"] for one in self._all))

    def month(self, flags: str) -> Month:
        """What a month of the household asks of B2."""
        refreshes = 30 * 24 / 6 if flags == OURS else 0  # of six hours
        often = self._analysed / NEW
        watched = HOURS * 3600 * RATE
        films = watched / self.of("asked", flags, "one stream")
        calls = {
            letter: SCANS * self.of(letter, flags, "scan after six hours")
            + refreshes * self.of(letter, flags, "six hours of refreshes")
            + self.of(letter, flags, "analysis") / often
            + films * self.of(letter, flags, "one stream")
            for letter in "BC"
        }
        sent = self.of("sent", flags, "analysis") / often
        sent += films * self.of("sent", flags, "one stream")
        return Month(round(calls["B"]), round(calls["C"]), sent)

    def targets(self) -> list[Target]:
        """Each with what was measured."""
        latency, stream, everything = LINKS[_USUAL]
        link = min(4 * stream, everything)
        scan = self._ratio("seconds", "first scan")
        listed = self.of("C", OURS, "second scan") + self.of("C", OURS, "scan after six hours")
        analysis = self.of("sent", OURS, "analysis") / self.of("asked", OURS, "analysis")
        four = self.of("asked", OURS, "four streams") / self.of("seconds", OURS, "four streams")
        memory = self._ratio("memory", "peak memory")
        floors = {
            "first 64 KB": latency + FIRST_BYTES / stream,
            "seek, and 4 MB": latency + SOUGHT_BYTES / stream,
        }
        return [
            Target("first scan, times faster than the article's", "at least 25", scan, scan >= 25),
            Target("listings in later scans", "0", listed, listed == 0),
            Target(
                "analysis, bytes sent for each byte asked for", "at most 2", analysis, analysis <= 2
            ),
            *(
                Target(
                    f"{work}, of the physical floor of {floor * 1000:.0f} ms",
                    "at most 1.15",
                    over := self.of("seconds", OURS, work) / floor,
                    over <= 1.15,
                )
                for work, floor in floors.items()
            ),
            Target("four streams, of the link", "at least 0.95", four / link, four / link >= 0.95),
            Target("peak memory, of the article's", "at most 0.125", 1 / memory, memory >= 8),
            *(
                self._resumes(lasts, within)
                for lasts, within in ((30, 5), (150, 15))
                # The long ones are left out of a quick run.
                if any(one["lasts"] == lasts for one in self.outages)
            ),
        ]

    def _ratio(self, what: str, work: str) -> float:
        return self.of(what, ARTICLE, work) / self.of(what, OURS, work)

    def _resumes(self, lasts: int, within: int) -> Target:
        ours = [one for one in self.outages if (one["lasts"], one["flags"]) == (lasts, OURS)]
        after = max(one["after"] for one in ours)
        held = after <= within and not any(one["error"] for one in ours)
        return Target(
            f"playback after an outage of {lasts} s, the worst kind, seconds after the endpoint's return",
            f"at most {within}",
            after,
            held,
        )


@dataclass(frozen=True)
class Month:
    """Transactions of two classes, and bytes sent."""

    B: int
    C: int
    sent: float

    def transactions(self) -> float:
        """In dollars, beyond what is free each day."""
        return 30 * sum(
            max(0, calls / 30 - _FREE_A_DAY) * each
            for calls, each in ((self.B, _EACH_B), (self.C, _EACH_C))
        )

    def bytes(self) -> float:
        """In dollars, as if nothing of it were free."""
        return self.sent / 1e9 * _GB


@dataclass(frozen=True)
class Target:
    """What is measured, how good it has to be, how good it is, and whether that is enough."""

    what: str
    wanted: str
    measured: float
    met: bool
