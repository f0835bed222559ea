"""docs/media-bench.md and its plot, made of what was measured: `python -m benchmarks.media.report`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from benchmarks.media.figures import ARTICLE, HOURS, NEW, OURS, SETS, Figures
from benchmarks.media.measure import LINKS, REFRESHES
from benchmarks.page import table

_DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
RESULTS = _DOCS / "media-bench.json"
PAGE = _DOCS / "media-bench.md"
PLOT = _DOCS / "media-bench.png"
_BAR = 40  # characters


def page(results: dict[str, Any]) -> str:
    """The page's Markdown."""
    figures = Figures(results)
    library = results["library"]
    scanned = library["folders"] * library["in_each"]
    parts = [
        f"""# The mount, measured

Three sets of flags in one run, with rclone {results["rclone"]} over FUSE and
[the sandbox's B2](../sandbox/b2/README.md) behind a link: the article's, rclone's own with
`--vfs-cache-mode full`, and [this project's](media.md#flags), read out of the evaluated configuration. Made
on {results["date"]} ({results["machine"]}, shared with others) by

<!-- not run: it takes an hour; tests/runtime/test_bench_media.py does the same with a small library -->

    make bench-media

in {results["minutes"]} minutes. All figures are in [{RESULTS.name}]({RESULTS.name}).

A scan is of {scanned:,} files in {library["folders"]} folders; an analysis reads the first 256 KB of
{library["analysed"]} files; one stream is {library["stream"] // 10**6} MB, four are as long each, at once.
{_links()}
A new connection costs nothing more here, unlike one over the internet.""",
        "## Is it good enough\n\n" + _targets(figures),
    ]
    for link in figures.links():
        runs = len(figures.values("seconds", OURS, "first scan", link))
        title = f"## On the {link} link\n\n"
        title += (
            f"Medians of {runs} runs, and in brackets from where to where they went.\n\n"
            if runs > 1
            else ""
        )
        parts.append(title + _works(figures, link))
    parts += [
        f"""## A player of 2 MB/s through outages

All at once, each with a mount of its own, on the usual link. The endpoint goes after half a minute of
playing. Refused: nothing listens. Hanging: whoever asks, or was being answered, never hears of it again.

{_outages(figures)}""",
        f"""## What a month costs

A scan each hour, {NEW} new films, {HOURS} hours of watching, and ours with a refresh each
{6 * 60 // REFRESHES} minutes; of {scanned:,} files, by
[Backblaze's prices](https://www.backblaze.com/cloud-storage/transaction-pricing): transactions
beyond the 2,500 of each class that are free each day; bytes at $0.01 a GB, of which three times of what is
stored is free.

{_month(figures)}""",
        f"""## As a picture

Seconds on the usual link; a quarter of the width is ten times as long.
[The same as an image]({PLOT.name}).

```
{_bars(figures)}
```""",
    ]
    return "\n\n".join(parts) + "\n"


def write(results: dict[str, Any]) -> None:
    """Write page and plot."""
    PAGE.write_text(page(results))
    _plot(Figures(results))


def _links() -> str:
    told = (
        f"- {name}: {latency * 1000:.0f} ms before each answer, {stream / 1e6:.0f} MB/s a stream and"
        f" {everything / 1e6:.0f} MB/s in all\n"
        for name, (latency, stream, everything) in LINKS.items()
    )
    return "\nThe links:\n\n" + "".join(told)


def _targets(figures: Figures) -> str:
    return table(
        ("", "wanted", "measured", ""),
        (
            (
                target.what,
                target.wanted,
                f"{target.measured:.3g}",
                "met" if target.met else "**missed**",
            )
            for target in figures.targets()
        ),
    )


def _works(figures: Figures, link: str) -> str:
    rows = []
    for work in figures.works():
        cells = [work]
        for name in SETS:
            memory = figures.of("memory", name, work, link)
            cells.append(f"{memory / 1e6:.0f} MB" if memory else _cell(figures, name, work, link))
        what = "memory" if figures.of("memory", OURS, work, link) else "seconds"
        ours = figures.of(what, OURS, work, link)
        ratio = figures.of(what, ARTICLE, work, link) / ours if ours else 0
        rows.append([*cells, f"{ratio:.3g}" if ratio > 0.001 else ""])
    return table(("", *SETS, "article : ours"), rows)


def _cell(figures: Figures, name: str, work: str, link: str) -> str:
    seconds = figures.values("seconds", name, work, link)
    if max(seconds) < 0.001:
        return "none"
    text = f"{figures.of('seconds', name, work, link):.3g} s"
    if len(seconds) > 1:
        text += f" ({min(seconds):.3g}–{max(seconds):.3g})"
    if sent := figures.of("sent", name, work, link):
        text += f", {sent / 1e6:.3g} MB"
    text += "".join(
        f", {calls:.0f} {letter}"
        for letter in "BC"
        if (calls := figures.of(letter, name, work, link))
    )
    return text


def _outages(figures: Figures) -> str:
    kinds = dict.fromkeys((one["outage"], one["lasts"]) for one in figures.outages)
    found = {(one["outage"], one["lasts"], one["flags"]): one for one in figures.outages}
    rows = []
    for outage, lasts in kinds:
        cells = [f"{outage}, {lasts} s"]
        for name in SETS:
            one = found[outage, lasts, name]
            cells.append(
                f"**{one['error']}**"
                if one["error"]
                else "played on"
                if not one["stalled"]
                else f"again after {one['after']:.0f} s; stood for {one['stalled']:.0f} s"
            )
        rows.append(cells)
    return table(("", *SETS), rows)


def _month(figures: Figures) -> str:
    rows = []
    for name in SETS:
        month = figures.month(name)
        rows.append(
            (
                name,
                f"{month.B:,}",
                f"{month.C:,}",
                f"${month.transactions():.2f}",
                f"{month.sent / 1e9:,.0f} GB",
                f"${month.bytes():.2f}",
            )
        )
    return table(("", "class B", "class C", "cost", "sent", "cost, if not free"), rows)


def _timed(figures: Figures) -> list[str]:
    return [work for work in figures.works() if work not in ("warm-up", "peak memory")]


def _bars(figures: Figures) -> str:
    lines = []
    for work in _timed(figures):
        lines.append(work)
        for name in SETS:
            seconds = figures.of("seconds", name, work)
            length = max(1, round(_BAR / 4 * (math.log10(max(seconds, 0.001)) + 2)))
            lines.append(f"  {name:9}{'█' * length} {seconds:.3g}")
    return "\n".join(lines)


def _plot(figures: Figures) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    works = _timed(figures)
    figure, axes = pyplot.subplots(figsize=(10, 6), layout="constrained")
    for number, name in enumerate(SETS):
        places = [at + (number - 1) * 0.27 for at in range(len(works))]
        values = [figures.of("seconds", name, work) for work in works]
        axes.bar(places, values, 0.25, label=name)
    axes.set_yscale("log")
    axes.set_ylabel("seconds, usual link")
    axes.set_xticks(range(len(works)), works, rotation=25, ha="right")
    axes.legend()
    figure.savefig(PLOT, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    write(json.loads(RESULTS.read_text()))
