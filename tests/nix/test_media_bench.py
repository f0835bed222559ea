"""docs/media-bench.md is of the flags that the host has."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.media import flags, report


def test_what_was_measured_are_the_flags_of_the_host(tmp_path: Path) -> None:
    measured = json.loads(report.RESULTS.read_text())["flags"]
    assert measured == flags.sets(tmp_path), "measure anew: make bench-media"


def test_the_page_is_made_of_the_figures() -> None:
    made = report.page(json.loads(report.RESULTS.read_text()))
    assert report.PAGE.read_text() == made, "make it anew: python -m benchmarks.media.report"
