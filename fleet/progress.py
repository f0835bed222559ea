"""What a stack is at, as the engine's events tell it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent
    from pulumi.automation.events import DiagnosticEvent, StepEventMetadata

_COLOUR = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
_OF_A_SCRIPT = re.compile(r"(install|secrets|converge|health|library): ")
# What people count, in the order and by the signs of Pulumi's own display.
SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-"}
_DOING = {
    "create": "creating",
    "create-replacement": "creating",
    "update": "updating",
    "delete": "deleting",
    "delete-replaced": "deleting",
    "read": "reading",
    "refresh": "refreshing",
}
_NO_REASON = {"update failed", "preview failed", "destroy failed"}


class Progress:
    """Made anew for each run of the engine; `take` is given each of its events."""

    def __init__(self) -> None:
        self.phase = "starting"
        self.changes: Counter[str] = Counter()
        self.errors: list[str] = []
        self._at: dict[str, str] = {}

    def take(self, event: EngineEvent) -> None:
        """Learn from one event."""
        if event.prelude_event is not None:
            self.phase = "comparing"
        elif event.resource_pre_event is not None:
            planning = bool(event.resource_pre_event.planning)
            self._begin(event.resource_pre_event.metadata, planning=planning)
        elif event.res_outputs_event is not None:
            planning = bool(event.res_outputs_event.planning)
            self._end(event.res_outputs_event.metadata, planning=planning)
        elif event.res_op_failed_event is not None:
            self._forget(event.res_op_failed_event.metadata.urn)
        elif event.diagnostic_event is not None:
            self._hear(event.diagnostic_event)
        elif event.summary_event is not None:
            counted = event.summary_event.resource_changes or {}
            self.changes = Counter({str(_text(op)): number for op, number in counted.items()})

    def _begin(self, step: StepEventMetadata, *, planning: bool) -> None:
        what = _what(step)
        if what is None or planning:
            return
        self._at[step.urn] = f"{_DOING.get(_text(step.op), 'at')} {what}"
        self.phase = self._at[step.urn]

    def _end(self, step: StepEventMetadata, *, planning: bool) -> None:
        op = _text(step.op)
        if op in SIGNS and not (op == "replace" and not planning):
            self.changes[op] += 1
        self._forget(step.urn)

    def _forget(self, urn: str) -> None:
        if self._at.pop(urn, None) == self.phase and self._at:
            self.phase = list(self._at.values())[-1]

    def _hear(self, said: DiagnosticEvent) -> None:
        text = _COLOUR.sub("", said.message).strip()
        if said.severity == "error" and text:
            self.errors.append(text)
        elif said.severity.startswith("info") and said.urn in self._at:
            # The last that a script on the host has said; what its commands print is for the log.
            lines = [line for line in text.splitlines() if _OF_A_SCRIPT.match(line)]
            self.phase = lines[-1] if lines else self.phase


def _what(step: StepEventMetadata) -> str | None:
    """What a step is about, in people's words; None for what takes no time."""
    if step.type.startswith("hcloud:"):
        return "at Hetzner"
    return step.urn.rpartition("::")[2] if step.type.startswith("command:") else None


def words(event: EngineEvent) -> str:
    """What the program says about the stack as a whole; empty for any other event."""
    said = event.diagnostic_event
    if said is None or said.urn or said.severity not in {"info", "warning"}:
        return ""
    return _COLOUR.sub("", said.message).strip()


def counted(changes: Mapping[str, int]) -> str:
    """What changes, in short: `+12 ~1`, or a dash where nothing does."""
    parts = [f"{sign}{changes[op]}" for op, sign in SIGNS.items() if changes.get(op)]
    return " ".join(parts) or "–"


def reason(errors: list[str], printed: str) -> str:
    """Why a run has failed, in a line: the last words of its first error that says something.

    Args:
        errors: what the engine has reported as errors, in their order.
        printed: what it has written to its standard error.
    """
    for text in errors:
        if text not in _NO_REASON:
            return text.splitlines()[-1].strip()
    said = re.findall(r"(?:^| stderr: )error: (.+)$", printed, re.MULTILINE)
    return (
        said[-1].strip() if said else (printed.strip().splitlines() or ["no reason was given"])[-1]
    )


def _text(op: object) -> str:
    return str(getattr(op, "value", op))
