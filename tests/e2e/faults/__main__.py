"""Writes docs/faults.md, the matrix of all faults, from what their tests declare."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from sandbox.paths import REPO
from tests.e2e.faults import declared

DOCUMENT = REPO / "docs" / "faults.md"
_HEAD = """# What was tried to break it

Each of these is done to a host in the sandbox by `make faults`, and ends with the same check: the host serves
by HTTPS what it served before, the films are mounted, Plex has every row of its database, nothing of the
change is left on the host, `drift` finds nothing, and a further `pulumi up` has nothing to do. Those with a
star are part of `make test`.

This page is made from the tests in tests/e2e/faults, by `python -m tests.e2e.faults`.
"""


class _Collected:
    """Takes the faults from the tests, which are collected and not run."""

    def __init__(self) -> None:
        self.modules: dict[str, list[str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            assert isinstance(item, pytest.Function)
            title = (item.module.__doc__ or "").strip().splitlines()[0]
            rows = self.modules.setdefault(title, [])
            fault = declared.of(item)
            star = " \\*" if item.get_closest_marker("quick") else ""
            rows.append(f"| {fault.injected}{star} | {fault.when} | {fault.observed} |\n")


def matrix() -> str:
    """The document's text.

    Raises:
        SystemExit: the tests cannot be collected.
    """
    collected = _Collected()
    folder = str(Path(__file__).parent)
    with redirect_stdout(StringIO()) as said:
        status = pytest.main(
            ["--collect-only", "-p", "no:cacheprovider", folder], plugins=[collected]
        )
    if status != pytest.ExitCode.OK:
        raise SystemExit(f"the tests cannot be collected:\n{said.getvalue()}")
    parts = [_HEAD]
    for title, rows in collected.modules.items():
        parts.append(f"\n## {title.partition(':')[0].rstrip('.')}\n\n")
        parts.append("| injected | when | observed |\n| --- | --- | --- |\n" + "".join(rows))
    return "".join(parts)


if __name__ == "__main__":
    text = matrix()
    if sys.argv[1:] == ["--check"]:
        sys.exit(
            0
            if DOCUMENT.read_text() == text
            else "docs/faults.md is stale: python -m tests.e2e.faults"
        )
    DOCUMENT.write_text(text)
