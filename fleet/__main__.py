"""The command line: `python -m fleet COMMAND`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from fleet import ci, stacks
from fleet.errors import FleetError

if TYPE_CHECKING:
    from fleet.operations import Command

_NEW = "Ask for what a new stack needs, or again for what one has, and write its Pulumi.NAME.yaml"
EXIT_CODES = (
    "exit codes: 0 all is well; 1 something failed, or status found a problem; 2 the command cannot be "
    "done as it was given; 130 it was interrupted"
)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    given = parser().parse_args(words)
    run: Callable[[argparse.Namespace], int] = given.run
    try:
        return run(given)
    except FleetError as error:
        print(f"fleet: {error}", file=sys.stderr)
        return 2
    except (EOFError, KeyboardInterrupt):
        print("\nfleet: interrupted", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """What the command line may be."""
    parser = argparse.ArgumentParser(
        prog="python -m fleet",
        description="Several stacks at once. Without STACK: all that have a Pulumi.STACK.yaml here.",
        epilog=EXIT_CODES,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, epilog=EXIT_CODES)
        added.set_defaults(run=run, command=name)
        added.add_argument("stacks", nargs="*", metavar="STACK")
        added.add_argument("--json", action="store_true", help="print the result as JSON")
        added.add_argument(
            "--parallel", type=_positive, default=4, metavar="N", help="how many at a time (4)"
        )
        return added

    preview = command("preview", _operate, "Show what `up` would change")
    up = command("up", _operate, "Make the stacks' servers what their configuration says")
    destroy = command(
        "destroy", _operate, "Delete the stacks' servers, each after its name was typed"
    )
    command("status", _status, "Ask the hosts how they are, and what they cost")
    command("backup", _errand, "Back up Plex's libraries now")
    command("refresh", _errand, "Have the mounts look for new files in their buckets now")
    new = commands.add_parser("new", help=_NEW, description=_NEW, epilog=EXIT_CODES)
    new.set_defaults(run=_new)
    new.add_argument("name", metavar="NAME")
    ci.add_commands(commands, EXIT_CODES)
    preview.add_argument("--since", metavar="BASE", help="those alone that `touched BASE` lists")
    preview.add_argument("--markdown", action="store_true", help="print what changes as Markdown")
    up.add_argument("--canary", metavar="NAME", help="do this one first, and no other if it fails")
    for each in (preview, up, destroy):
        each.add_argument("--fail-fast", action="store_true", help="begin no other once one failed")
    return parser


def _operate(given: argparse.Namespace) -> int:
    from rich.console import Console

    from fleet import report
    from fleet.display import Display
    from fleet.operations import Fleet
    from fleet.review import Review

    command = cast("Command", given.command)
    names = ci.since(getattr(given, "since", None), stacks.chosen(given.stacks))
    markdown: bool = getattr(given, "markdown", False)
    if not names:
        return report.nothing(command, json=given.json)
    canary: str | None = getattr(given, "canary", None)
    if canary is not None and canary not in names:
        raise FleetError(f"--canary {canary}: it is none of {', '.join(names)}")
    if command == "destroy":
        names = [name for name in names if _confirmed(name)]
        if not names:
            raise FleetError("no name was typed, so nothing is destroyed")
    stacks.unlock(names)
    logs = report.folder(command)
    display = Display(names, Console(stderr=True))
    review = Review()
    fleet = Fleet(
        command,
        display=display,
        logs=logs,
        parallel=given.parallel,
        fail_fast=given.fail_fast,
        seen=review.take if markdown else None,
    )
    with display.showing():
        outcomes = fleet.run(names, canary)
    if markdown:
        print(review.markdown(outcomes), end="")
        return report.exit_code(outcomes, interrupted=fleet.interrupted)
    return report.show(command, outcomes, logs, json=given.json, interrupted=fleet.interrupted)


def _errand(given: argparse.Namespace) -> int:
    from rich.console import Console

    from fleet import errands, report
    from fleet.display import Display

    names = stacks.chosen(given.stacks)
    stacks.unlock(names)
    logs = report.folder(given.command)
    display = Display(names, Console(stderr=True))
    with display.showing():
        outcomes = errands.run(
            given.command, names, display=display, logs=logs, parallel=given.parallel
        )
    return report.show(given.command, outcomes, logs, json=given.json)


def _status(given: argparse.Namespace) -> int:
    from fleet import report, status, tables

    names = stacks.chosen(given.stacks)
    stacks.unlock(names)
    reports = status.look(names, given.parallel)
    if given.json:
        print(json.dumps({"stacks": [each.as_json() for each in reports]}, default=status.default))
    else:
        tables.show(reports, report.console())
    return 1 if any(each.problems for each in reports) else 0


def _new(given: argparse.Namespace) -> int:
    from fleet import new

    new.run(given.name)
    return 0


def _confirmed(name: str) -> bool:
    print(
        f"This deletes the server of {name}, with Plex's library on its disk. Its backups stay.\n"
        f"Type {name} to go on: ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    typed = sys.stdin.readline().strip()
    if typed != name:
        print(f"{name} is left alone.", file=sys.stderr)
    return typed == name


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
