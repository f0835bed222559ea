"""`make bench-media`: measure, and write docs/media-bench.* of what came of it."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import page
from benchmarks.media import flags, measure, report
from benchmarks.media.library import FULL, QUICK, Made
from sandbox import toolchain

# Of these the median is taken.
_RUNS = {"near": 1, "usual": 3, "bad": 1}
_WORKS = 12  # figures of a course
_LASTS = (30, 150)
_OUTAGE = 40  # as many works as it takes the time of


def main() -> None:
    arguments = _arguments()
    links = {"usual": 1} if arguments.quick else _RUNS
    lasts = _LASTS[:1] if arguments.quick else _LASTS
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-media-", dir=arguments.directory) as name:
        results = _measure(Path(name), links, lasts, quick=arguments.quick)
    results["minutes"] = round((time.monotonic() - began) / 60)
    Console().print(Markdown(report.page(results)))
    if not arguments.quick:
        report.RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        report.write(results)
        print(f"written: {report.PAGE}, {report.PLOT.name}, {report.RESULTS.name}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.media", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a smaller library, one link, one run; nothing is written",
    )
    parser.add_argument(
        "--directory", help="where 15 GB of films and caches may be for a while (TMPDIR by itself)"
    )
    return parser.parse_args()


def _measure(
    folder: Path, links: dict[str, int], lasts: tuple[int, ...], *, quick: bool
) -> dict[str, Any]:
    toolchain.ensure(lambda line: print(line, flush=True))
    sets = flags.sets(folder)
    with ExitStack() as stack:
        steps = sum(links.values()) * len(sets) * _WORKS
        say = _progress(stack, steps + _OUTAGE * len(lasts))
        say(0, "the bucket")
        made = Made(folder / "b2", QUICK if quick else FULL)
        servers = {
            outage: stack.enter_context(measure.endpoint(folder / "b2"))
            for outage in measure.OUTAGES
        }
        figures = []
        for link, runs in links.items():
            for run in range(1, runs + 1):
                for name, set_ in sets.items():
                    say(0, f"{link} link, run {run} of {runs}, {name}")
                    course = measure.Course(servers["503"], made, folder / "course", link)
                    for figure in course.run(name, set_):
                        figures.append(asdict(figure))
                        say(1, "")
        resumed: list[dict[str, Any]] = []
        for seconds in lasts:
            say(0, f"players through outages of {seconds} s")
            outages = measure.outages(
                servers, made, folder, sets, lasts=seconds, given_up=60 if quick else 300
            )
            resumed += map(asdict, outages)
            say(_OUTAGE, "")
    return {
        **page.made(),
        "rclone": _rclone(),
        "library": asdict(made.library),
        "flags": sets,
        "figures": figures,
        "outages": resumed,
    }


def _progress(stack: ExitStack, steps: int) -> Callable[[int, str], None]:
    """What to call with steps done, and with what is done next: a bar, or lines where nobody looks."""
    done = 0
    bar = Progress(
        *(TextColumn("{task.percentage:>3.0f} %"), BarColumn(20), TimeElapsedColumn()),
        TextColumn("{task.description}"),
    )
    task = bar.add_task("", total=steps)
    if sys.stdout.isatty():
        stack.enter_context(bar)

    def say(more: int, what: str) -> None:
        nonlocal done
        done += more
        bar.update(task, completed=done)
        if not what:
            return
        bar.update(task, description=what)
        if not sys.stdout.isatty():
            print(f"{100 * done // steps:3} % {what}", flush=True)

    return say


def _rclone() -> str:
    program = toolchain.locations().rclone
    said = subprocess.run([program, "version"], check=True, capture_output=True, text=True).stdout
    return said.split()[1]


if __name__ == "__main__":
    if missing := [name for name in ("fusermount3", "nix-instantiate") if not shutil.which(name)]:
        sys.exit(f"bench-media needs {' and '.join(missing)} on PATH")
    main()
