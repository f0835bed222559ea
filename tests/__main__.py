"""The checks and tests in one run, and what each stage cost: `make test`, or `python -m tests --help`."""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.table import Table

from sandbox import preflight, prepare, toolchain
from sandbox.errors import SandboxError
from sandbox.paths import REPO
from tests import needs
from tests.nix import gixy
from tests.running import Ended
from tests.stages import Stage, ahead, pytest

_PACKAGES = {
    "busybox": "busybox",
    "dash": "dash",
    "dig": "bind9-dnsutils",
    "dot": "graphviz",
    "hcloud": "hcloud-cli",
    "lego": "lego",
    "mcopy": "mtools",
    "nginx": "nginx-light",
    "nix-instantiate": "nix-bin",
    "nmap": "nmap",
    "openssl": "openssl",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "rclone": "rclone",
    "sshd": "openssh-server",
}
_EDGE = [f"tests/runtime/test_{part}.py" for part in ("certificate", "claim", "gate", "tunnel")]
_SEED = random.SystemRandom().randrange(1_000_000)
_CLOCKS = {"clock+40d": 40, "clock+1y": 365, "clock+3y": 3 * 365}  # days
_STAGES = {
    stage.name: stage
    for stage in (
        Stage("check", ["make", "--no-print-directory", "check"], seconds=300),
        pytest("unit", "tests/unit", options=["-n2"], seconds=600),
        pytest("nix", "tests/nix", seconds=600),
        pytest(
            "runtime",
            "tests/runtime",
            options=["-n3", "--dist=loadfile"],
            only="not heavy",
            seconds=5400,
        ),
        pytest("e2e-life", "tests/e2e/life", only="not heavy", seconds=3600),
        pytest(
            "e2e-rest",
            "tests/e2e/installation",
            "tests/e2e/faults",
            only="not heavy and (quick or not fault)",
            seconds=5400,
        ),
        # A second try cuts the power at the same moments.
        pytest("vm", "tests/vm", options=[f"--seed={_SEED}"], only="not heavy", seconds=9000),
        pytest("fleet", "tests/e2e/fleet", seconds=3600),
        pytest("faults", "tests/e2e/faults", seconds=7200),
        pytest("edge", "tests/runtime/edge", *_EDGE, seconds=3600),
        *(
            ahead(days, pytest(name, "tests/unit", "tests/nix", options=["-n2"], seconds=1800))
            for name, days in _CLOCKS.items()
        ),
    )
}
_IN_OTHERS = {"edge", "faults"}  # once those leave nothing out
_BY_NAME_ONLY = {"fleet", *_IN_OTHERS, *_CLOCKS}
# What `make test` does without.
_MORE_PACKAGES = {
    "/usr/share/OVMF/OVMF_CODE_4M.fd": "ovmf",
    "chromium": "chromium",
    "faketime": "faketime",
    "testssl": "testssl.sh",
}

# So many run together that two cores are busy, and no more, or they stall.
_TURNS = (
    ("check", "nix"),
    ("unit",),
    *((name,) for name in _CLOCKS),
    ("e2e-life", "e2e-rest", "runtime"),
    # A processor that is emulated takes all that there is.
    ("vm",),
    ("fleet",),
    ("faults",),
    ("edge",),
)

_FAILURES = REPO / ".test-failures.txt"
# pytest's last line, where it ran anything but skipped tests.
_SOME_PASSED = re.compile(r"^\d+ passed", re.MULTILINE)


def main(words: list[str]) -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"{', '.join(_STAGES)}")
    parser.add_argument("--all", action="store_true", help="also what takes long, and the fleet")
    asked = parser.parse_args(words)
    if unknown := sorted(set(asked.stages) - set(_STAGES)):
        parser.error(f"no stage {', '.join(unknown)}; there are {', '.join(_STAGES)}")
    wanted = asked.stages or set(_STAGES) - (_IN_OTHERS if asked.all else _BY_NAME_ONLY)
    stages = {
        name: replace(_STAGES[name], without=[]) if asked.all else _STAGES[name] for name in wanted
    }
    console = Console(highlight=False)
    _FAILURES.unlink(missing_ok=True)
    os.umask(0o022)  # as tests/conftest.py has it
    # The stages are in sessions of their own, so that whoever ends this one has to end them by it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = monotonic()
    try:
        preflight.check()
        more = _MORE_PACKAGES if asked.all or {"edge", *_CLOCKS} & set(wanted) else {}
        preflight.install(console.print, _PACKAGES | more)
        if absent := needs.absent():
            raise SandboxError("\n".join(["the tests cannot run here.", *absent]))
        toolchain.ensure(console.print)
        if {"nix", *_CLOCKS} & set(wanted):
            gixy.ensure()
        # Stages that begin together would make it each, within a test's limit.
        prepare.base_root(console.print)
    except SandboxError as error:
        console.print(f"tests: {error}", markup=False)
        return 1
    costs = {"preparation": monotonic() - began}
    return 0 if run(stages, costs, console, _FAILURES, strict=asked.all) else 1


def run(
    stages: Mapping[str, Stage],
    costs: dict[str, float],
    console: Console,
    failures: Path,
    *,
    strict: bool = False,
) -> bool:
    """Run stages, one that fails does not stop the others; print their costs; whether all are well.

    Whole servers share two cores here, and now and then one of them is late. So the files that failed, if
    they are few, run once more at the end, with the machine to themselves. What failed at first is printed.

    Args:
        stages: by name.
        costs: seconds that something before them took, by its name.
        failures: the file that gets the reports of what failed; it is made anew, and only if something does.
        strict: what passes at the second try has failed all the same.
    """
    failures.unlink(missing_ok=True)
    failed: dict[str, Ended] = {}
    for together in _TURNS:
        wanted = [stages[name] for name in together if name in stages]
        for name, ended in _run_together(wanted, costs, console).items():
            failed[name] = ended
            _keep(failures, name, ended)
    late: dict[str, str] = {}
    for name, first in sorted(failed.items()):
        if again := stages[name].once_more(first):
            files = ", ".join(again.paths)
            console.rule(f"{name} failed at first")
            _show(first.failures)
            console.rule(f"{name} once more, alone: {files}")
            with again.start() as running:
                second = running.end(_show)
            if second.status == 0 and _SOME_PASSED.search(second.printed):
                late[name] = f"at the second try: {files}"
            else:
                _keep(failures, f"{name}, at the second try", second)
    lost = sorted(failed if strict else set(failed) - set(late))
    table = Table("stage", "seconds", "")
    for name, seconds in costs.items():
        told = late.get(name, "failed" if name in failed else "")
        table.add_row(name, f"{seconds:.0f}", told)
    console.print(table)
    if late:
        counts = "which counts as failed" if strict else "which is a fault, too"
        console.print(f"passed at the second try, {counts}: {', '.join(late)}")
    if lost:
        console.print(f"failed: {', '.join(lost)}")
    if failed:
        console.print(f"what failed, and how: {failures}", soft_wrap=True)
    console.print(
        f"stages: {len(costs) - len(lost)} passed, {0 if strict else len(late)} of them at the second "
        f"try; {len(lost)} failed"
    )
    return not lost


def _run_together(
    together: list[Stage], costs: dict[str, float], console: Console
) -> dict[str, Ended]:
    """Run stages at the same time, and add their seconds to `costs`; those which failed.

    What the later ones print comes after the first has ended.
    """
    failed = {}
    with ExitStack() as stack:
        began = monotonic()
        for running in [stack.enter_context(stage.start()) for stage in together]:
            console.rule(running.name)
            ended = running.end(_show)
            if ended.status != 0:
                failed[running.name] = ended
            costs[running.name] = monotonic() - began
    return failed


def _show(text: str) -> None:
    print(text, end="", flush=True)  # noqa: T201


def _keep(failures: Path, what: str, ended: Ended) -> None:
    with failures.open("a") as file:
        file.write(f"##### {what}\n{ended.failures}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
