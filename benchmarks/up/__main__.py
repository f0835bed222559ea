"""`make bench`: measure what an `up` takes, and write docs/bench.md of what came of it."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from benchmarks import page
from benchmarks.up import measure, report
from sandbox import preflight, toolchain
from sandbox.errors import SandboxError
from tests.e2e.world import world_of_its_own

_RUNS = 5
_STACKS = (1, 2, 4, 8)


def main() -> None:
    began = time.monotonic()

    def say(what: str) -> None:
        minutes, seconds = divmod(round(time.monotonic() - began), 60)
        print(f"{minutes:3}:{seconds:02} {what}", flush=True)

    preflight.check()
    toolchain.ensure(say)
    with world_of_its_own("bench") as world:
        results: dict[str, Any] = {
            **page.made(),
            "noop": measure.noop(world, _RUNS, say),
            "change": measure.change(world, _RUNS, say),
        }
    with world_of_its_own("bench") as world:
        results["fleet"] = measure.fleet(world, _STACKS, say)
    results["minutes"] = round((time.monotonic() - began) / 60)
    report.RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    report.PAGE.write_text(report.page(results))
    Console().print(Markdown(report.page(results)))
    say(f"written: {report.PAGE}, {report.RESULTS.name}")


if __name__ == "__main__":
    try:
        main()
    except SandboxError as error:
        sys.exit(f"bench: {error}")
