"""The commands that GitHub's workflows need besides the others. They run on a laptop just so."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fleet import touched
from fleet.errors import FleetError

_TITLE = "A server needs a look"


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], epilog: str
) -> None:
    """Add `touched`, `comment` and `issue`."""

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, epilog=epilog)
        added.set_defaults(run=run, command=name)
        return added

    since = command(
        "touched", _touched, "List, as JSON, the stacks that a change of files concerns"
    )
    since.add_argument("base", metavar="BASE", nargs="?", default="", help="since this commit")
    since.add_argument("--without", metavar="STACK", default="", help="leave this one out")
    comment = command("comment", _comment, "Put a text under a pull request, once")
    comment.add_argument("number", type=int, metavar="NUMBER", help="the pull request's")
    comment.add_argument("text", type=Path, metavar="FILE", help="with the text")
    issue = command("issue", _issue, "Open, update or close the issue about problems")
    issue.add_argument("report", type=Path, metavar="FILE", help="what `status --json` has printed")


def since(base: str | None, names: Sequence[str]) -> list[str]:
    """Those of the stacks that are touched since a commit; all, where none is given."""
    if base is None:
        return list(names)
    concerned = touched.touched(base)
    return [name for name in names if name in concerned]


def problems(report: dict[str, Any]) -> str:
    """The text of an issue; empty if all is well."""
    lines = [
        f"- **{each['stack']}**: {' '.join(problem.split())}"
        for each in report["stacks"]
        for problem in each["problems"]
    ]
    if not lines:
        return ""
    # Set in a workflow.
    server, repository, run = (
        os.environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")
    )
    where = f" [{run}]({server}/{repository}/actions/runs/{run})" if run else ""
    return "\n".join([f"`python -m fleet status` says{where}:", "", *lines, ""])


def _touched(given: argparse.Namespace) -> int:
    print(json.dumps([name for name in touched.touched(given.base) if name != given.without]))
    return 0


def _comment(given: argparse.Namespace) -> int:
    from fleet.github import Repository

    text = _read(given.text)
    if not text.strip():
        raise FleetError(f"{given.text} is empty, so there is nothing to say")
    print(Repository.of_the_environment().comment(given.number, text))
    return 0


def _issue(given: argparse.Namespace) -> int:
    from fleet.github import Repository

    try:
        text = problems(json.loads(_read(given.report)))
    except (ValueError, KeyError, TypeError) as error:
        raise FleetError(f"{given.report} is not what `status --json` prints") from error
    print(Repository.of_the_environment().issue(_TITLE, text))
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise FleetError(f"{path} cannot be read: {error.strerror}") from error
