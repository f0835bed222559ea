"""docs/bench.md says what was measured."""

from __future__ import annotations

import json

from benchmarks.up import report


def test_the_page_is_made_of_the_figures() -> None:
    made = report.page(json.loads(report.RESULTS.read_text()))
    assert report.PAGE.read_text() == made, "make it anew: python -m benchmarks.up.report"
