"""Health that hangs: every check has its own time, and all of them together have one too."""

from __future__ import annotations

from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import SILENCE, Host

_SILENT = """{ lib, pkgs, ... }:
let
  silent = pkgs.writeScript "silent" ''
    #!${pkgs.python3}/bin/python3
    import socket, threading
    listener = socket.create_server(("", 32400))
    met = []
    while True:
        met.append(listener.accept())
  '';
in
{
  systemd.services.plex.serviceConfig.ExecStart = lib.mkForce "${silent}";
}
"""


@fault(
    "a Plex that accepts connections and never answers",
    "in health",
    "the check's time runs out, and the host goes back",
)
def test_a_service_that_never_answers(host: Host) -> None:
    before = host.system()
    host.project.module("silent", _SILENT)
    host.shorter(SILENCE)
    host.up_fails(
        "failed: health: Plex answers: nothing answers on port 32400",
        "back on the generation before",
    )
    assert host.system() == before
    host.project.reset()


@fault(
    "a check that never ends",
    "in health",
    "the step's time runs out, and the host goes back",
)
def test_a_check_that_never_ends(host: Host) -> None:
    before = host.system()
    host.change()
    host.project.edit("nix/host/health.sh", "for part; do\n", "sleep infinity\nfor part; do\n")
    host.project.edit("nix/host/converge.sh", "step library 14400", "step library 3")
    host.up_fails("failed: library: took longer than 3 s", "back on the generation before")
    assert host.system() == before
    host.project.reset()


_BY_A_TIMER = """{
  systemd.services.ill.script = "exit 1";
  systemd.timers.ill = {
    wantedBy = [ "timers.target" ];
    timerConfig.OnActiveSec = 0;
  };
}
"""


@fault(
    "a unit that a timer starts, and that fails",
    "before health",
    "it is not the change's doing: a warning, and the change is made",
)
def test_what_a_timer_starts_fails(host: Host) -> None:
    before = host.system()
    host.project.module("ill", _BY_A_TIMER)
    pause = host.pause("health")
    with host.running() as process:
        pause.reached()
        host.until("systemctl is-failed --quiet ill")
        pause.over()
        said, _ = process.communicate()
    assert process.returncode == 0, said
    assert "health: warning: ill.service had failed\n" in said
    assert host.system() != before
    host.project.reset()
