"""switch-to-configuration. Usage: TOPLEVEL INSTALL_BOOT_LOADER (switch|boot|test|dry-activate|check)

Exit codes: 0 all is well; 1 it is refused, or the boot loader failed; 2 activation failed;
4 some unit failed; 100 the generation can only be booted.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from .plan import Plan, make_plan
from .systemd import State, refuses_manual_start, systemctl, units, went_wrong

UNITS = Path("/etc/systemd/system")
RUN = Path("/run/nixos")
USAGE = """Usage: switch-to-configuration [check|switch|boot|test|dry-activate]

check:        run pre-switch checks and exit
switch:       make the configuration the boot default and activate now
boot:         make the configuration the boot default
test:         activate the configuration, but don't make it the boot default
dry-activate: show what would be done if this configuration were activated
"""


def say(text: str) -> None:
    """One line of progress, on standard error as NixOS's."""
    print(text, file=sys.stderr, flush=True)


def tell(what: str, names: set[str]) -> None:
    """What happens to some units, if there are any."""
    if names:
        say(f"{what} the following units: {', '.join(sorted(names))}")


def dry_run(toplevel: Path, plan: Plan) -> None:
    """Say what would be done."""
    tell("would stop", plan.stop)
    if plan.skip:
        say(f"would NOT restart the following changed units: {', '.join(sorted(plan.skip))}")
    say("would activate the configuration...")
    subprocess.run([toplevel / "dry-activate"], stdout=sys.stderr, check=False)
    tell("would reload", plan.reload)
    tell("would restart", plan.restart)
    tell("would start", plan.start - plan.quiet)


def carry_out(toplevel: Path, plan: Plan, before: Mapping[str, State]) -> int:
    """Stop, activate, reload, restart, start; and report. The exit code."""
    code = 0
    tell("stopping", plan.stop)
    if plan.stop:
        systemctl("stop", "--", *sorted(plan.stop))
    if plan.skip:
        say(f"NOT restarting the following changed units: {', '.join(sorted(plan.skip))}")

    say("activating the configuration...")
    if subprocess.run([toplevel / "activate"], stdout=sys.stderr, check=False).returncode != 0:
        code = 2

    systemctl("reset-failed")
    systemctl("daemon-reload")
    # What sysinit.target once did for the old generation.
    systemctl("restart", "sysinit-reactivation.target")

    for verb, names in (("reload", plan.reload), ("restart", plan.restart), ("start", plan.start)):
        tell(f"{verb}ing", names - plan.quiet)
        if names and not systemctl(verb, "--", *sorted(names)):
            code = 4
    return max(code, report(before, plan))


def report(before: Mapping[str, State], plan: Plan) -> int:
    """Name the units that are new and those that failed. 4 if there are any of the latter."""
    after = units()
    failed = {
        unit
        for unit, state in after.items()
        if state.active == "failed" or (state.sub.startswith("auto-restart") and went_wrong(unit))
    }
    touched = failed | plan.start | plan.restart | plan.stop
    new = {
        unit
        for unit, state in after.items()
        if state.active == "active"
        and unit not in touched
        and not unit.endswith((".scope", ".device"))
        and before.get(unit, State("", "")).active not in {"active", "activating"}
    }
    if new:
        say(f"the following new units were started: {', '.join(sorted(new))}")
    if failed:
        say(f"warning: the following units failed: {', '.join(sorted(failed))}")
        systemctl("status", "--no-pager", "--full", "--", *sorted(failed))
        return 4
    return 0


def is_nixos() -> bool:
    """Whether this is a machine that a generation of NixOS may be brought to life on."""
    release = Path("/etc/os-release")
    return Path("/etc/NIXOS").exists() or (
        release.exists() and re.search(r'^ID="?nixos"?$', release.read_text(), re.M) is not None
    )


def checks_pass(toplevel: Path) -> bool:
    """Whether the generation's own checks let it be switched to."""
    checks = toplevel / "pre-switch-checks"
    if not checks.exists() or "NIXOS_NO_CHECK" in os.environ:
        return True
    old = Path("/run/current-system").resolve()
    return subprocess.run([checks, old, toplevel], check=False).returncode == 0


def same_init(toplevel: Path) -> bool:
    """Whether the init that runs can take over the generation's units."""
    ours, its = (
        folder / "init-interface-version" for folder in (Path("/run/current-system"), toplevel)
    )
    return ours.exists() and ours.read_text() == its.read_text()


def main(toplevel: Path, install_boot_loader: str, action: str) -> int:
    """Do what an action asks for. The exit code."""
    if not is_nixos():
        say("This is not a NixOS installation!")
        return 1
    if not checks_pass(toplevel):
        say("Pre-switch checks failed")
        return 1
    if action == "check":
        return 0

    RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
    lock = (RUN / "switch-to-configuration.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Could not acquire lock")
        return 1

    if action in {"switch", "boot"}:
        if subprocess.run([install_boot_loader, toplevel], check=False).returncode != 0:
            say("Failed to install bootloader")
            return 1
        os.sync()
    if action == "boot":
        return 0
    if "NIXOS_NO_CHECK" not in os.environ and not same_init(toplevel):
        say(
            "Warning: the new NixOS configuration has an ‘init’ that is incompatible with the current"
        )
        say("configuration. The new configuration won't take effect until you reboot the system.")
        return 100

    before = units()
    plan = make_plan(UNITS, toplevel / "etc/systemd/system", before, refuses_manual_start)
    if action == "dry-activate":
        dry_run(toplevel, plan)
        return 0
    return carry_out(toplevel, plan, before)


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    if len(sys.argv) != 4 or sys.argv[3] not in {"switch", "boot", "test", "dry-activate", "check"}:
        print(USAGE, end="", file=sys.stderr)
        raise SystemExit(1)
    os.environ["NIXOS_ACTION"] = sys.argv[3]
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
