"""Brings a generation to life: switch-to-configuration, in NixOS's ways and words.

Usage: switch.py TOPLEVEL INSTALL_BOOT_LOADER (switch|boot|test|dry-activate|check)

Exit codes: 0 all is well; 1 it is refused, or the boot loader failed; 2 activation failed; 4 some unit failed.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

UNITS = Path("/etc/systemd/system")
STATE = Path("/run/nixos")
USAGE = """Usage: switch-to-configuration [check|switch|boot|test|dry-activate]

check:        run pre-switch checks and exit
switch:       make the configuration the boot default and activate now
boot:         make the configuration the boot default
test:         activate the configuration, but don't make it the boot default
dry-activate: show what would be done if this configuration were activated
"""

Sections = dict[str, dict[str, list[str]]]
# Changes of these need no restart.
IGNORED = {
    "Description",
    "Documentation",
    "OnFailure",
    "OnSuccess",
    "OnFailureJobMode",
    "SourcePath",
}


def systemctl(*arguments: str) -> int:
    """Run systemctl, its output where ours goes; its exit status."""
    sys.stderr.flush()
    return subprocess.run(["systemctl", *arguments], stdout=sys.stderr, check=False).returncode


def say(text: str) -> None:
    """One line of progress, on standard error as NixOS's."""
    print(text, file=sys.stderr, flush=True)


def parse(text: str, into: Sections) -> None:
    """Read a unit's text; an empty value takes away what came before it."""
    section: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line or line.startswith(("#", ";")):
            continue
        if line.startswith("["):
            section = into.setdefault(line.strip("[]"), {})
            continue
        key, _, value = line.partition("=")
        if value == "":
            section.pop(key, None)
        else:
            section.setdefault(key, []).append(value)


def read_unit(folder: Path, name: str) -> Sections:
    """A unit's sections, with what the configuration lays over them."""
    sections: Sections = {}
    for path in (folder / name, folder / f"{name}.d" / "overrides.conf"):
        if path.exists() and path.resolve() != Path("/dev/null"):
            parse(path.read_text(), sections)
    return sections


def says(sections: Sections, section: str, key: str, default: bool) -> bool:
    """A yes or no that a unit says to us or to systemd."""
    values = sections.get(section, {}).get(key)
    return default if not values else values[-1].lower() in {"1", "yes", "true", "on"}


def defined(folder: Path, name: str) -> bool:
    """Whether a folder of units has the unit, or lays something over it."""
    path = folder / name
    if path.exists() and path.resolve() == Path("/dev/null"):
        return False
    return path.exists() or (folder / f"{name}.d" / "overrides.conf").exists()


def base_name(name: str, folder: Path) -> str:
    """The file of a unit: for an instance without a file of its own, its template's."""
    match = re.fullmatch(r"(.*)@[^.]*(\..*)", name)
    if match and not defined(folder, name):
        return f"{match[1]}@{match[2]}"
    return name


def compare(old: Sections, new: Sections) -> str:
    """What a change of a unit calls for: "nothing", "reload" or "restart"."""
    result = "nothing"
    for section in old.keys() | new.keys():
        if section == "Install":
            continue
        before, after = old.get(section, {}), new.get(section, {})
        for key in before.keys() | after.keys():
            if before.get(key) == after.get(key) or (section == "Unit" and key in IGNORED):
                continue
            if (section, key) in (("Unit", "X-Reload-Triggers"), ("Mount", "Options")):
                result = "reload"
            else:
                return "restart"
    return result


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


def active_units() -> dict[str, tuple[str, str]]:
    """The units that systemd has loaded and that are up or on their way, each with its states."""
    output = subprocess.run(
        ["systemctl", "list-units", "--no-pager", "--no-legend", "--plain", "--full"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    states = {}
    for line in output.splitlines():
        name, _load, active, sub = line.split()[:4]
        states[name] = (active, sub)
    return states


def changed(
    name: str, new: Sections, folder: Path, active: dict[str, tuple[str, str]], plan: Plan
) -> None:
    """Plan what a unit needs whose text has changed."""
    if name.endswith((".path", ".slice", ".socket")) or name in {
        "sysinit.target",
        "basic.target",
        "multi-user.target",
        "graphical.target",
    }:
        return
    if name.endswith(".mount"):
        (plan.reload if name in {"-.mount", "nix.mount"} else plan.restart).add(name)
        return
    if says(new, "Service", "X-ReloadIfChanged", False):
        plan.reload.add(name)
    elif (
        not says(new, "Service", "X-RestartIfChanged", True)
        or says(new, "Unit", "RefuseManualStop", False)
        or says(new, "Unit", "X-OnlyManualStart", False)
    ):
        plan.skip.add(name)
    elif not says(new, "Service", "X-StopIfChanged", True):
        plan.restart.add(name)
    else:
        sockets = new.get("Service", {}).get("Sockets", [name.removesuffix(".service") + ".socket"])
        started_by_socket = False
        for socket in " ".join(sockets).split():
            if socket in active and not says(new, "Service", "X-NotSocketActivated", False):
                plan.stop.add(socket)
                if defined(folder, socket):
                    plan.start.add(socket)
                    started_by_socket = True
        if not started_by_socket:
            plan.start.add(name)
        plan.stop.add(name)


def make_plan(old: Path, new: Path, active: dict[str, tuple[str, str]]) -> Plan:
    """Compare the units that run with those of the new generation."""
    plan = Plan()
    for unit, (state, _) in active.items():
        if state not in {"active", "activating", "reloading", "failed"}:
            continue
        old_name, new_name = base_name(unit, old), base_name(unit, new)
        if not defined(old, old_name) and not unit.endswith(".target"):
            continue
        old_unit, new_unit = read_unit(old, old_name), read_unit(new, new_name)
        beneath = Path("/usr/lib/systemd/system") / old_name
        if unit.endswith(".target"):
            if state == "failed" or not (defined(new, new_name) or beneath.exists()):
                continue
            # Starts what the new generation wants of it, so that new units come up.
            if not says(new_unit, "Unit", "RefuseManualStart", False) and not says(
                new_unit, "Unit", "X-OnlyManualStart", False
            ):
                if not refuses_manual_start(unit):
                    plan.start.add(unit)
                    plan.quiet.add(unit)
            if says(new_unit, "Unit", "X-StopOnReconfiguration", False):
                plan.stop.add(unit)
            continue
        if not defined(new, new_name):
            masked = (new / new_name).is_symlink() or not beneath.exists()
            if masked and state != "failed" and says(old_unit, "Unit", "X-StopOnRemoval", True):
                plan.stop.add(unit)
            continue
        if state == "failed":
            continue
        match compare(old_unit, new_unit):
            case "restart":
                changed(unit, new_unit, new, active, plan)
            case "reload":
                plan.reload.add(unit)
    plan.reload -= plan.restart | plan.stop
    return plan


def refuses_manual_start(unit: str) -> bool:
    """Whether systemd would refuse to start a unit by name."""
    output = subprocess.run(
        ["systemctl", "show", "--value", "--property=RefuseManualStart", unit],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    ).stdout
    return output.strip() == "yes"


def listed(units: set[str]) -> str:
    """Units in a line."""
    return ", ".join(sorted(units))


def dry_run(toplevel: Path, plan: Plan) -> None:
    """Say what would be done."""
    if plan.stop:
        say(f"would stop the following units: {listed(plan.stop)}")
    if plan.skip:
        say(f"would NOT restart the following changed units: {listed(plan.skip)}")
    say("would activate the configuration...")
    subprocess.run([str(toplevel / "dry-activate")], stdout=sys.stderr, check=False)
    if plan.reload:
        say(f"would reload the following units: {listed(plan.reload)}")
    if plan.restart:
        say(f"would restart the following units: {listed(plan.restart)}")
    if plan.start - plan.quiet:
        say(f"would start the following units: {listed(plan.start - plan.quiet)}")


def carry_out(toplevel: Path, plan: Plan, before: dict[str, tuple[str, str]]) -> int:
    """Stop, activate, reload, restart, start; and report. The exit code."""
    code = 0
    if plan.stop:
        say(f"stopping the following units: {listed(plan.stop)}")
        systemctl("stop", "--", *sorted(plan.stop))
    if plan.skip:
        say(f"NOT restarting the following changed units: {listed(plan.skip)}")

    say("activating the configuration...")
    if subprocess.run([str(toplevel / "activate")], stdout=sys.stderr, check=False).returncode != 0:
        code = 2

    systemctl("reset-failed")
    if systemctl("daemon-reload") != 0:
        code = 3
    # What sysinit.target once did for the old generation.
    systemctl("restart", "sysinit-reactivation.target")

    if plan.reload:
        say(f"reloading the following units: {listed(plan.reload)}")
        if systemctl("reload", "--", *sorted(plan.reload)) != 0:
            code = 4
    if plan.restart:
        say(f"restarting the following units: {listed(plan.restart)}")
        if systemctl("restart", "--", *sorted(plan.restart)) != 0:
            code = 4
    if plan.start - plan.quiet:
        say(f"starting the following units: {listed(plan.start - plan.quiet)}")
    if plan.start and systemctl("start", "--", *sorted(plan.start)) != 0:
        code = 4

    return max(code, report(before, plan))


def report(before: dict[str, tuple[str, str]], plan: Plan) -> int:
    """Name the units that are new and those that failed. 4 if there are any of the latter."""
    after = active_units()
    if any(sub == "auto-restart" for _, sub in after.values()):
        time.sleep(
            1
        )  # as NixOS does: what starts, fails and is tried again looks well for a moment
        after = active_units()
    failed = {
        unit
        for unit, (state, sub) in after.items()
        if state == "failed" or sub in {"auto-restart", "auto-restart-queued"}
    }
    new = {
        unit
        for unit, (state, _) in after.items()
        if state == "active"
        and unit not in failed | plan.start | plan.restart | plan.stop
        and before.get(unit, ("", ""))[0] not in {"active", "activating"}
        and unit.endswith((".service", ".timer", ".socket", ".mount", ".path", ".target"))
    }
    if new:
        say(f"the following new units were started: {listed(new)}")
    if failed:
        say(f"warning: the following units failed: {listed(failed)}")
        systemctl("status", "--no-pager", "--full", "--", *sorted(failed))
        return 4
    return 0


def is_nixos() -> bool:
    """Whether this is a machine that a generation of NixOS may be brought to life on."""
    release = Path("/etc/os-release")
    return Path("/etc/NIXOS").exists() or (
        release.exists()
        and re.search(r'^ID="?nixos"?$', release.read_text(), re.MULTILINE) is not None
    )


def main(toplevel: Path, install_boot_loader: str, action: str) -> int:
    """Do what an action asks for. The exit code."""
    if not is_nixos():
        say("This is not a NixOS installation!")
        return 1
    checks = toplevel / "pre-switch-checks"
    if checks.exists() and "NIXOS_NO_CHECK" not in os.environ:
        old_system = Path("/run/current-system").resolve()
        if (
            subprocess.run([str(checks), str(old_system), str(toplevel)], check=False).returncode
            != 0
        ):
            say("Pre-switch checks failed")
            return 1
    if action == "check":
        return 0

    STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
    lock = (STATE / "switch-to-configuration.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Could not acquire lock")
        return 1

    if action in {"switch", "boot"}:
        if subprocess.run([install_boot_loader, str(toplevel)], check=False).returncode != 0:
            say("Failed to install bootloader")
            return 1
        os.sync()
    if action == "boot":
        return 0

    interface = Path("/run/current-system/init-interface-version")
    if "NIXOS_NO_CHECK" not in os.environ and (
        not interface.exists()
        or interface.read_text() != (toplevel / "init-interface-version").read_text()
    ):
        say(
            "Warning: the new NixOS configuration has an ‘init’ that is\n"
            "incompatible with the current configuration.  The new configuration\n"
            "won't take effect until you reboot the system.\n"
        )
        return 100

    before = active_units()
    plan = make_plan(UNITS, toplevel / "etc/systemd/system", before)
    if action == "dry-activate":
        dry_run(toplevel, plan)
        return 0
    return carry_out(toplevel, plan, before)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[3] not in {"switch", "boot", "test", "dry-activate", "check"}:
        print(USAGE, end="", file=sys.stderr)
        raise SystemExit(1)
    os.environ["NIXOS_ACTION"] = sys.argv[3]
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
