"""The clock that the tests run by is the one that their stage asks for: see `ahead` in tests/stages.py."""

from __future__ import annotations

import os
import subprocess
import time

DAY = 24 * 3600


def test_the_clock_is_as_far_ahead_as_the_stage_says() -> None:
    days = int(os.environ.get("CLOCK_AHEAD", "0"))

    # Without LD_PRELOAD.
    real = int(subprocess.check_output(["date", "+%s"], env={"PATH": os.environ["PATH"]}))
    inherited = int(subprocess.check_output(["date", "+%s"]))

    assert round((time.time() - real) / DAY) == days
    assert round((inherited - real) / DAY) == days
