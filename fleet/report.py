"""What came of a run: a table, and where the logs are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet import stacks
from fleet.display import STYLES
from fleet.progress import counted

if TYPE_CHECKING:
    from fleet.operations import Outcome

_PLAIN_WIDTH = 200


def folder(command: str) -> Path:
    """Where the logs of a run that begins now go."""
    return stacks.FOLDER / ".fleet" / f"{datetime.now():%Y-%m-%dT%H-%M-%S}-{command}"


def console() -> Console:
    """Standard output: with colours in a terminal, and wide enough for one line a row elsewhere."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=_PLAIN_WIDTH)


def show(
    command: str,
    outcomes: Sequence[Outcome],
    logs: Path,
    *,
    json: bool,
    interrupted: bool = False,
) -> int:
    """Print the summary, as a table or as JSON, and return the exit code."""
    if json:
        print(dumps({"command": command, "stacks": [each.as_json() for each in outcomes]}))
    else:
        _table(command, outcomes, logs)
    return exit_code(outcomes, interrupted=interrupted)


def nothing(command: str, *, json: bool) -> int:
    """Say that it is about no stack, and return the exit code."""
    print(dumps({"command": command, "stacks": []}) if json else "No stack is touched.")
    return 0


def exit_code(outcomes: Sequence[Outcome], *, interrupted: bool = False) -> int:
    """What the command ends with."""
    if interrupted:
        return 130
    return 0 if all(each.result == "done" for each in outcomes) else 1


def _table(command: str, outcomes: Sequence[Outcome], logs: Path) -> None:
    out = console()
    table = Table("stack", command, "changes", "seconds", "", box=None, pad_edge=False)
    for each in outcomes:
        table.add_row(
            each.stack,
            Text(each.result, style=STYLES[each.result]),
            Text(counted(each.changes) if each.changes else ""),
            f"{each.seconds:.0f}" if each.seconds else "",
            Text(each.message),
        )
    out.print(table)
    out.print(f"logs: {logs}", highlight=False, soft_wrap=True)
