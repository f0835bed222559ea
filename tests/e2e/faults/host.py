"""The host that meets the faults, its library, and what it means that it serves and that nothing is lost."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any

from sandbox import media, prepare, visit
from sandbox.nixpkgs import tarball as nixpkgs
from tests.e2e import machine
from tests.e2e.faults.pause import Pause
from tests.e2e.faults.project import Project
from tests.e2e.stack import Stack
from tests.e2e.world import World

NO_SSH = "tcp dport 22 drop"
"""A rule for `World.rules`: nothing of SSH gets through."""
FIRST_SSH_ONLY = (
    "tcp dport 22 tcp flags & (syn | ack) == syn limit rate over 1/hour burst 1 packets drop"
)
"""Another: one connection is let through, and later ones meet silence."""

SILENCE = '"$answer"))) -lt 120 ]'
"""For `Host.shorter`: how long Plex may say nothing."""

_ZONES = ("Europe/Berlin", "Asia/Tokyo", "America/Lima", "Africa/Cairo", "Australia/Perth")
_NOTHING = re.compile(r"^Resources:\n +\d+ unchanged\n\n", re.MULTILINE)
_UP = ("up", "--yes", "--skip-preview")
_DATABASE = (
    "/var/lib/plex/Plex Media Server/Plug-in Support/Databases/com.plexapp.plugins.library.db"
)
_PLEX_DATA = '    dataDir = "/var/lib/plex";\n'
_PLEX_PACKAGE = """    package = pkgs.runCommand "plexmediaserver-VERSION" { } ''
      mkdir -p $out/bin
      sed 's/="1\\.42\\./="VERSION./' ${pkgs.plex}/bin/plexmediaserver >$out/bin/plexmediaserver
      chmod +x $out/bin/plexmediaserver
    '';
"""
_HEALTH = "nix/host/health.sh"
_FAILED = '[ "$(jq -r .state /var/lib/converge/status.json)" = failed ]'
_ROWS = (
    "select title, coalesce(view_count, 0) from metadata_items"
    " left join metadata_item_settings using (id) order by title"
)
# Prints what a change has left behind, or broken.
_LEFT = """
for unit in sshd nginx media plex plex-gate; do
  systemctl is-active --quiet "$unit" || echo "$unit is not active"
done
systemctl --failed --no-legend --plain
systemctl list-units --no-legend --plain 'converge-guard*' nixos-rebuild-switch-to-configuration.service
cd /var/lib
# A change that has failed can be looked at, until the next one.
[ ! -e /etc/nixos.next ] || [ "$(jq -r .state converge/status.json)" = failed ] ||
  echo "/etc/nixos.next is left"
for path in /etc/.payload.* /root/.payload.* converge/trial* converge/database.trial \\
  converge/*.new secrets.next secrets/.on-trial nixpkgs/.fetching.*; do
  [ ! -e "$path" ] || echo "$path is left"
done
for tree in nixpkgs/nixos-*; do
  [ "$(readlink nixpkgs/current)" = "${tree#*/}" ] || echo "$tree is left"
done
[ "$(findmnt --noheadings --output SOURCE /mnt/media)" = b2:films-and-music ] || echo "no mount"
"""


# What was published once stays, for every later host.
_NIXPKGS = count(2)


@dataclass
class Host:
    """A stack's host, with a library in which films were found and watched."""

    stack: Stack
    project: Project
    identifier: str = ""
    films: str = ""
    sums: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    _zones: Iterator[str] = field(default_factory=lambda: cycle(_ZONES))
    _plex: int = 42
    _short_trials: bool = False

    @property
    def world(self) -> World:
        """The world it lives in."""
        return self.stack.world

    def shell(self, script: str, *arguments: str) -> str:
        """What a script prints on the host, as root, without SSH."""
        return machine.shell(self.stack, script, *arguments)

    def until(self, condition: str, seconds: int = 300) -> None:
        """Wait until a condition, a line of shell, holds on the host."""
        machine.until(self.stack, condition, seconds)

    def until_rebooted(self, boots: list[str]) -> None:
        """Wait until the host has booted once more than these times, and all that boots with it is up."""
        machine.until_booted(self.stack, *boots, "installed")
        machine.until_up(self.stack)

    def boot_what_waits(self) -> None:
        """Reboot into a generation that waits for it, and wait until it has proved itself."""
        boots = machine.boots(self.stack)
        self.shell("systemctl reboot")
        self.until_rebooted(boots)
        self.until('[ "$(jq -r .state /var/lib/converge/status.json)" = converged ]')

    def pause(self, step: str) -> Pause:
        """Let the next change stop in a step."""
        return Pause(self.stack, self.project, step)

    def change(self) -> None:
        """A small change of the configuration, another each time."""
        self.stack.set("timeZone", next(self._zones))

    def short_trials(self) -> None:
        """Let changes wait 10 s for their acknowledgement, until the fault is over, and not 120."""
        self.stack.set("acknowledgeSeconds", "10")
        self._short_trials = True

    def newer_plex(self) -> None:
        """A newer Plex, in the project for good: there is no way back from an accepted one."""
        old, new = (_PLEX_PACKAGE.replace("VERSION", f"1.{self._plex + each}") for each in (0, 1))
        if self._plex == 42:
            old = ""
        self.project.keep("nix/plex.nix.j2", _PLEX_DATA + old, _PLEX_DATA + new)
        self._plex += 1

    def older_plex(self) -> None:
        """An older Plex than the host has."""
        self.project.edit("nix/plex.nix.j2", f'="1.{self._plex}.', '="1.41.')

    def publish_newer_nixpkgs(self) -> nixpkgs.Release:
        """A newer nixpkgs of the host's release, with another kernel and another Plex."""
        newer = nixpkgs.make(nixpkgs.RELEASE, number=next(_NIXPKGS))
        prepare.publish(self.world.state, newer.url, newer.content)
        return newer

    def pin_newer_nixpkgs(self) -> None:
        """The same, for the next `pulumi up`."""
        newer = self.publish_newer_nixpkgs()
        path = self.world.state / "pins.json"
        pins = json.loads(path.read_text())
        pins["nixpkgs"][nixpkgs.RELEASE] = {"url": newer.url, "sha256": newer.nar_hash}
        path.write_text(json.dumps(pins))

    def boots_next(self) -> str:
        """The generation that is the boot loader's default."""
        config = self.shell("cat /boot/grub/grub.cfg")
        return config.partition(" init=")[2].partition("/init ")[0]

    def schema(self) -> str:
        """Which version of Plex the database is for."""
        return self.sql("select version from schema_migrations order by rowid desc limit 1")

    def sql(self, question: str) -> str:
        """What Plex's database answers."""
        return self.shell(f"/usr/bin/sqlite3 -readonly '{_DATABASE}' \"$1\"", question)

    def replace(self) -> None:
        """`pulumi up --replace` of what brings the configuration onto the host."""
        self.stack.up("--replace", f"**::{self.stack.name}-converge")

    def shorter(self, check: str) -> None:
        """Let a check of the next change's health take 3 seconds at most, and not what it says."""
        self.project.edit(_HEALTH, check, re.sub(r"\d+", "3", check, count=1))

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        """`pulumi up` at work, in a process group of its own."""
        with self.stack.running(*_UP) as process:
            yield process

    def up(self) -> str:
        """`pulumi up`, which has to succeed; what it printed."""
        return self.stack.up()

    def up_fails(self, *sentences: str) -> str:
        """`pulumi up`, which has to fail and to say all of that; what it printed."""
        done = self.stack.pulumi(*_UP)
        said = done.stdout + done.stderr
        assert done.returncode != 0, said
        for sentence in sentences:
            assert sentence in said, said
        return said

    def system(self) -> str:
        """The generation that runs."""
        return self.shell("readlink -f /run/current-system").strip()

    def profile(self) -> str:
        """The generation that the profile names."""
        return self.shell("readlink -f /nix/var/nix/profiles/system").strip()

    def left(self, *, besides: str = "") -> str:
        """What a change has left behind, or broken; nothing is how it should be.

        Args:
            besides: a path that may be left.
        """
        lines = self.shell(_LEFT).splitlines()
        return "\n".join(line for line in lines if line != f"{besides} is left")

    def journal(self) -> str:
        """The end of what the supervisor, and a boot, have said of changes."""
        units = "-u nixos-rebuild-switch-to-configuration -u converge-recover -u converge-guard"
        return self.shell(f"journalctl {units} -n 80 -o short-precise --no-hostname")

    def until_idle(self) -> None:
        """Wait until nobody works on the host any more."""
        self.until("! systemctl is-active --quiet nixos-rebuild-switch-to-configuration")

    def until_failed(self) -> None:
        """Wait until the host has done with a change that failed."""
        self.until(_FAILED)

    def status(self, key: str) -> str:
        """A value of the host's status file."""
        return self.shell('jq -r ".$1" /var/lib/converge/status.json', key).strip()

    def settle(self) -> None:
        """Bring a new host up, with an owner and a library; that is what has to be there ever after."""
        self.up()
        self.outputs, state = self.stack.outputs(), self.world.state
        visit.wait_for_certificate(self.stack.url, state=state)
        visit.claim(self.outputs, state=state)
        self._ask("/library/sections/all/refresh")
        for views, video in enumerate(ElementTree.fromstring(self._ask("/library/all"))):
            for _ in range(views):
                self._ask(f"/:/scrobble?key={video.attrib['ratingKey']}")
        self.identifier, self.films, self.sums = self._identifier(), self.rows(), media.make(state)
        assert len(self.films.splitlines()) == len(self.sums), self.films

    def rows(self) -> str:
        """Every film in Plex's database, and how often it was watched."""
        return self.sql(_ROWS)

    def serves(self) -> None:
        """After `pulumi up` it serves, its library is whole, it is what its stack says, and stays that."""
        if self._short_trials:
            self.stack.set("acknowledgeSeconds", "120")
            self._short_trials = False
        said = self.up()
        if not _NOTHING.search(said):
            said = self.up()
        assert _NOTHING.search(said), said
        assert self.shell("drift").splitlines()[-1] == "drift: none"
        assert self.status("state") != "pending"
        left = self.left()
        assert not left, left
        # The site closes for a moment when Plex starts again.
        self.until("[ -e /run/plex-gate/open ]")
        assert self._identifier() == self.identifier
        assert visit.media(self.outputs, state=self.world.state) == self.sums
        assert self.rows() == self.films

    def _identifier(self) -> str:
        """Which Plex answers by HTTPS."""
        answer = visit.fetch(f"{self.stack.url}/identity", "-f", state=self.world.state)
        return ElementTree.fromstring(answer).attrib["machineIdentifier"]

    def _ask(self, path: str) -> str:
        """What Plex answers its owner on the host."""
        script = """
        settings='/var/lib/plex/Plex Media Server/Preferences.xml'
        token=$(sed -n 's/.* PlexOnlineToken="\\([^"]*\\)".*/\\1/p' "$settings")
        curl -fsS -H "X-Plex-Token: $token" "http://127.0.0.1:32400$1"
        """
        return self.shell(script, path)
