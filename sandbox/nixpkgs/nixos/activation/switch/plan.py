"""What a switch does to which unit, in NixOS's ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .systemd import State
from .units import BENEATH, Sections, base_name, compare, defined, read_unit, says

# Started as part of a target, and never restarted for a change of its text.
_NEVER = {"sysinit.target", "basic.target", "multi-user.target", "graphical.target"}


@dataclass
class Plan:
    """What happens to which unit."""

    stop: set[str] = field(default_factory=set)
    skip: set[str] = field(default_factory=set)
    reload: set[str] = field(default_factory=set)
    restart: set[str] = field(default_factory=set)
    start: set[str] = field(default_factory=set)
    # Started as part of a target each time, and so not worth a line.
    quiet: set[str] = field(default_factory=set)


def make_plan(
    old: Path,
    new: Path,
    active: Mapping[str, State],
    refuses_manual_start: Callable[[str], bool],
) -> Plan:
    """Compare the units that are up with those of the new generation.

    Args:
        old, new: each generation's folder of units.
        refuses_manual_start: whether systemd would refuse to start a target by name.
    """
    plan = Plan()
    for unit, state in active.items():
        if state.active not in {"active", "activating", "reloading", "failed"}:
            continue
        if unit.endswith(".target"):
            _target(unit, state, new, plan, refuses_manual_start)
        elif defined(old, base_name(unit, old)):
            _unit(unit, state, old, new, active, plan)
    plan.reload -= plan.restart | plan.stop
    return plan


def _target(
    unit: str, state: State, new: Path, plan: Plan, refuses_manual_start: Callable[[str], bool]
) -> None:
    """A target is started again, which starts what the new generation wants of it."""
    name = base_name(unit, new)
    if state.active == "failed" or not (defined(new, name) or (BENEATH / name).exists()):
        return
    sections = read_unit(new, name)
    by_hand = says(sections, "Unit", "RefuseManualStart", default=False) or says(
        sections, "Unit", "X-OnlyManualStart", default=False
    )
    if not by_hand and not refuses_manual_start(unit):
        plan.start.add(unit)
        plan.quiet.add(unit)
    if says(sections, "Unit", "X-StopOnReconfiguration", default=False):
        plan.stop.add(unit)


def _unit(
    unit: str, state: State, old: Path, new: Path, active: Mapping[str, State], plan: Plan
) -> None:
    """Any other unit is compared with what becomes of it."""
    before, name = read_unit(old, base_name(unit, old)), base_name(unit, new)
    if not defined(new, name):
        gone = (new / name).is_symlink() or not (BENEATH / name).exists()
        if (
            gone
            and state.active != "failed"
            and says(before, "Unit", "X-StopOnRemoval", default=True)
        ):
            plan.stop.add(unit)
        return
    if state.active == "failed":
        return
    after = read_unit(new, name)
    match compare(before, after):
        case "restart":
            _changed(unit, after, new, active, plan)
        case "reload":
            plan.reload.add(unit)


def _changed(
    unit: str, after: Sections, new: Path, active: Mapping[str, State], plan: Plan
) -> None:
    """Plan what a unit needs whose text has changed."""
    if unit.endswith((".path", ".slice", ".socket")) or unit in _NEVER:
        return
    if unit.endswith(".mount"):
        (plan.reload if unit in {"-.mount", "nix.mount"} else plan.restart).add(unit)
    elif says(after, "Service", "X-ReloadIfChanged", default=False):
        plan.reload.add(unit)
    elif (
        not says(after, "Service", "X-RestartIfChanged", default=True)
        or says(after, "Unit", "RefuseManualStop", default=False)
        or says(after, "Unit", "X-OnlyManualStart", default=False)
    ):
        plan.skip.add(unit)
    elif not says(after, "Service", "X-StopIfChanged", default=True):
        plan.restart.add(unit)
    else:
        _stop_and_start(unit, after, new, active, plan)


def _stop_and_start(
    unit: str, after: Sections, new: Path, active: Mapping[str, State], plan: Plan
) -> None:
    """Stopped as what it was, started as what it is; by its socket, where that is how it starts."""
    plan.stop.add(unit)
    by_socket = False
    if not says(after, "Service", "X-NotSocketActivated", default=False):
        named = after.get("Service", {}).get("Sockets", [unit.removesuffix(".service") + ".socket"])
        for socket in " ".join(named).split():
            if socket in active:
                plan.stop.add(socket)
                if defined(new, socket):
                    plan.start.add(socket)
                    by_socket = True
    if not by_socket:
        plan.start.add(unit)
