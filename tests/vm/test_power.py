"""Power that fails at a random moment, and takes along what the guest had not handed to its disk."""

from __future__ import annotations

import json
import time

import pytest

from tests.vm.host import Fallen, Host, Moments

_WHOLE = (
    'nix-store --verify-path $(nix-store --query --requisites "$(readlink -f /run/current-system)")'
)
_ON_TRIAL = "ls -d /var/lib/secrets.next /var/lib/secrets/.on-trial 2>/dev/null || :"
_BACKUP = "plex-library-backup"
# A path, and Nix's database on the disk, as it is sooner or later.
_BUILD = """
nix-build --no-out-link -E 'derivation {
  name = "fresh";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" "/usr/bin/seq 100000 >$out" ];
}' 2>/dev/null
/usr/bin/python3 -c 'import os
for name in ("db.sqlite", "db.sqlite-wal"):
    os.fsync(os.open(f"/nix/var/nix/db/{name}", os.O_RDWR))'
"""
# As long as each takes by TCG when nothing else runs; a moment after its end is one, too.
_SECONDS = {"change": 90.0, "plex": 120.0, "secrets": 30.0, "backup": 30.0}


def _begin(host: Host, what: str) -> None:
    """Let the next `pulumi up` have something to do."""
    if what == "plex":
        host.newer_plex()
    elif what == "change":
        host.change()
    else:
        ring = json.loads((host.world.state / "b2" / "keys.json").read_text())
        (master,) = (each for each in ring["keys"] if each["id"] == ring["account_id"])
        host.stack.set("b2KeyId", master["id"])
        host.stack.set_secret("b2ApplicationKey", master["secret"])


def _sound(host: Host) -> None:
    """One whole generation has booted, with its databases and its secrets.

    The key opens the bucket, or the mount would not come up, and Plex waits for that. It refuses databases of
    a newer Plex.
    """
    host.shell(_WHOLE)
    host.until("systemctl is-active --quiet media plex", 600)
    assert host.rows() == host.films
    assert host.shell(_ON_TRIAL) == ""


def _cut(host: Host, what: str, seconds: float) -> None:
    """Cut the power so many seconds after something has begun, and let the container boot what is left."""
    if what == "backup":
        host.shell("systemctl start --no-block $1", _BACKUP)
        time.sleep(seconds)  # the moment is what is tried
        host.out_of_vm()
        _sound(host)
        host.shell("systemctl start $1", _BACKUP)
    else:
        _begin(host, what)
        with host.running() as process:
            time.sleep(seconds)
            host.out_of_vm()
            _sound(host)
            # Whatever becomes of it: the next one has to succeed.
            process.communicate()
    host.up()
    _sound(host)


def test_power_that_fails_in_a_change(fallen: Fallen, moments: Moments) -> None:
    _cut(fallen.host, "change", moments.within(_SECONDS["change"]))


@pytest.mark.heavy
def test_what_nix_takes_for_built_is_whole(running: Host) -> None:
    path = running.shell(_BUILD).strip()
    running.out_of_vm()
    running.shell(
        '! nix-store --check-validity "$1" 2>/dev/null || nix-store --verify-path "$1"', path
    )


@pytest.mark.heavy
def test_what_a_power_cut_leaves_is_booted_by_grub(running: Host, moments: Moments) -> None:
    before = running.system()
    running.newer_plex()
    with running.running() as process:
        time.sleep(moments.within(_SECONDS["plex"]))
        running.power_fails()
        running.until_up()
        _sound(running)
        assert running.system() == before or running.status("state") == "converged"
        running.out_of_vm()
        process.communicate()
    running.serves()


@pytest.mark.heavy
@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("what", _SECONDS)
def test_power_that_fails_at_any_moment(
    running: Host, moments: Moments, what: str, number: int
) -> None:
    del number  # each has a moment of its own
    _cut(running, what, moments.within(_SECONDS[what]))
    running.serves()
