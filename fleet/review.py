"""What previews would change, as Markdown: for a comment on a pull request."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from difflib import unified_diff
from typing import TYPE_CHECKING, Any

from fleet.progress import SIGNS, counted

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent
    from pulumi.automation.events import StepEventMetadata

    from fleet.operations import Outcome

# GitHub takes 65,536 characters.
_MOST = 60_000
_LONGEST_VALUE = 60
# How the engine writes a value that is not known before `up`.
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# A file in the text that components/payload.py makes.
_FILE = re.compile(r"^cat >\"\$payload/(.+)\" <<'(.+)'\n((?:.*\n)*?)\2$", re.MULTILINE)


class Review:
    """Is given the engine's events of several stacks; `take` may be called from any thread."""

    def __init__(self) -> None:
        self._steps: defaultdict[str, list[StepEventMetadata]] = defaultdict(list)

    def take(self, stack: str, event: EngineEvent) -> None:
        """Keep what a stack's preview says of a resource."""
        if event.resource_pre_event is not None:
            step = event.resource_pre_event.metadata
            # What is made of several resources changes by them.
            custom = any(state is not None and state.custom for state in (step.old, step.new))
            if _op(step) in SIGNS and custom:
                self._steps[stack].append(step)

    def markdown(self, outcomes: Sequence[Outcome]) -> str:
        """All of it: a table of the stacks, then what changes in each. Secrets are `[secret]`, as the engine
        has them in its events."""
        lines = [
            "### What `pulumi up` would change",
            "",
            "| stack | preview | changes | |",
            "|-|-|-|-|",
        ]
        for each in outcomes:
            changes = counted(each.changes) if each.changes else ""
            lines.append(f"| {each.stack} | {each.result} | {changes} | {_cell(each.message)} |")
        changed = [each.stack for each in outcomes if self._steps[each.stack]]
        room = _MOST // max(len(changed), 1)
        return "\n".join([*lines, *(self._stack(name, room) for name in changed), ""])

    def _stack(self, name: str, room: int) -> str:
        steps = self._steps[name]
        rows = [f"| {SIGNS[_op(step)]} | {_kind(step)} | {_changes(step)} |" for step in steps]
        text = "\n".join(line for step in steps for line in _configuration(step))
        table = "\n".join(["", f"#### {name}", "", "| | resource | |", "|-|-|-|", *rows])
        return f"{table}\n{_block(text, max(room - len(table), 0))}" if text else table


def _op(step: StepEventMetadata) -> str:
    return str(getattr(step.op, "value", step.op))


def _kind(step: StepEventMetadata) -> str:
    return f"{step.type.rpartition(':')[2]} `{step.urn.rpartition('::')[2]}`"


def _inputs(step: StepEventMetadata) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    old, new = ((state.inputs if state else None) or {} for state in (step.old, step.new))
    return old, new


def _changes(step: StepEventMetadata) -> str:
    if _op(step) not in {"update", "replace"}:
        return ""
    old, new = _inputs(step)
    words = []
    for path in step.detailed_diff or step.diffs or ():
        before, after = old.get(path), new.get(path)
        if files(before) or files(after):
            words.append("the configuration below")
        elif isinstance(before, str | int | float) and isinstance(after, str | int | float):
            words.append(f"{path}: {_value(before)} → {_value(after)}")
        else:
            words.append(path)
    return ("**replaced**: " if _op(step) == "replace" else "") + _cell(", ".join(words))


def _value(value: object) -> str:
    text = "known later" if value == _UNKNOWN else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _cell(text: str) -> str:
    return re.sub(r"([\\|<>*_`\[\]])", r"\\\1", " ".join(text.split()))


def files(text: object) -> dict[str, str]:
    """The files in what is handed to a host, by their paths; none where it is secret or something else."""
    return (
        {path: content for path, _, content in _FILE.findall(text)} if isinstance(text, str) else {}
    )


def _configuration(step: StepEventMetadata) -> list[str]:
    old, new = _inputs(step)
    before, after = files(old.get("stdin")), files(new.get("stdin"))
    lines: list[str] = []
    for path in {**before, **after}:
        old_lines, new_lines = (
            side[path].splitlines() if path in side else [] for side in (before, after)
        )
        name_before, name_after = (
            path if path in side else "/dev/null" for side in (before, after)
        )
        lines += unified_diff(old_lines, new_lines, name_before, name_after, lineterm="")
    return lines


def _block(text: str, room: int) -> str:
    note = ""
    if len(text) > room:
        text = text[:room].rpartition("\n")[0]
        note = "\nThe rest does not fit here: `python -m fleet preview` shows it."
    fence = "`" * (1 + max([2, *map(len, re.findall("`+", text))]))
    return f"\n{fence}diff\n{text}\n{fence}{note}"
