"""A change that stops in one of its steps, so that something can happen to it just there.

The place is an edit in nix/, as somebody makes it who looks for a fault. It stops there once: a change that
is made again, by a run that goes on or after a reboot, gets through.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from tests.e2e import machine
from tests.e2e.faults.project import Project
from tests.e2e.stack import Stack

# Before which line of which script a step stops.
_SCRIPTS = {
    "database": ("nix/host/database.sh", 'mv "$trial.new" "$trial"\n'),
    "health": ("nix/host/health.sh", '      await 90 "sshd is active" active sshd.service\n'),
    "secrets": (
        "nix/host/try-secrets.sh",
        "step health 900 sh /etc/nixos/host/health.sh service\n",
    ),
    "default": ("nix/host/default.sh", 'if [ -z "$differences" ]; then\n'),
    "accept": ("nix/host/accept.sh", "# What drift.sh holds the host against.\n"),
}
_BUILD = """{ pkgs, ... }:
{
  environment.systemPackages = [ (pkgs.runCommand "NAME" { } ''
    WAIT
    mkdir $out
  '') ];
}
"""
_ACTIVATE = """{ pkgs, ... }:
{
  systemd.services.NAME = {
    wantedBy = [ "multi-user.target" ];
    path = [ pkgs.coreutils ];
    unitConfig.ConditionPathExists = "/run/converge"; # no boot waits for it
    script = "WAIT";
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
    };
  };
}
"""
_MODULES = {"build": _BUILD, "activate": _ACTIVATE}
_NUMBERS: Iterator[int] = count(1)


class Pause:
    """One step of the stack's next change, which stops there."""

    def __init__(self, stack: Stack, project: Project, step: str) -> None:
        """Edit the project.

        Args:
            step: build, database, activate, health, default or accept; or secrets, their health.
        """
        self._stack = stack
        name = f"pause-{step}-{next(_NUMBERS)}"
        self._here, self._go = f"/var/lib/fault/{name}", f"/run/fault/{name}"
        wait = (
            f"[ -e {self._here} ] || {{ mkdir -p /var/lib/fault; : >{self._here};"
            f" until [ -e {self._go} ]; do sleep 0.1; done; }}"
        )
        if step in _MODULES:
            project.module(name, _MODULES[step].replace("NAME", name).replace("WAIT", wait))
        else:
            script, line = _SCRIPTS[step]
            project.edit(script, line, f"{wait}\n{line}")

    def reached(self) -> None:
        """Wait until the change has come to that step."""
        machine.until(self._stack, f"[ -e {self._here} ]")

    def over(self) -> None:
        """Let it go on."""
        machine.shell(self._stack, 'mkdir -p /run/fault; : >"$1"', self._go)
